// A scenario that Python holds: its records, and what the kernels read of them.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <tuple>

#include "host/layout.h"

namespace semopt {

// Never changed once made but for its layouts, each made when it is first asked for. Callers hold
// the GIL, which keeps them from making one twice (a lock of ours could be left locked in a forked
// child).
class PackedScenario : public Scenario {
  public:
    template <class R>
    ScenarioView<R> view() const {
        auto& layout = std::get<std::unique_ptr<Layout<R>>>(layouts_);
        if (!layout) layout = std::make_unique<Layout<R>>(*this);
        return layout->view();
    }

  private:
    mutable std::tuple<std::unique_ptr<Layout<double>>, std::unique_ptr<Layout<float>>> layouts_;
};

}  // namespace semopt
