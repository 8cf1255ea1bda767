// A scenario that Python holds: its records, and what the kernels read of them.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <tuple>

#include "host/layout.h"

namespace semopt {

// Immutable but for its layouts, each of which is made on first use. Callers hold the GIL, so that
// none is made twice (a mutex could stay locked in a forked child).
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
