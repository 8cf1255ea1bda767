// A scenario in the memory that the kernels read.
#pragma once

#include <new>
#include <vector>

#include "isa/kernels.h"
#include "model/scenario.h"

namespace semopt {

// Memory that starts where a cache line does, so that no vector lies across two.
template <class T>
struct CacheLines {
    using value_type = T;
    static constexpr std::align_val_t kLine{64};

    CacheLines() = default;
    template <class Other>
    CacheLines(const CacheLines<Other>&) {}
    T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
    void deallocate(T* memory, size_t) { ::operator delete(memory, kLine); }
    friend bool operator==(const CacheLines&, const CacheLines&) { return true; }
    friend bool operator!=(const CacheLines&, const CacheLines&) { return false; }
};
template <class T>
using Aligned = std::vector<T, CacheLines<T>>;

// A scenario as the kernels read it, in one precision.
template <class R>
class Layout {
  public:
    explicit Layout(const Scenario& scenario);
    Layout(const Layout&) = delete;
    ScenarioView<R> view() const;

  private:
    void lay_out_tables(const Scenario& scenario);
    void lay_out_users();
    void lay_out_kinds();

    System<R> system_;
    std::vector<User<R>> users_;
    std::vector<Task<R>> tasks_;
    std::vector<std::vector<R>> storage_;
    std::vector<AccuracyTable<R>> tables_;
    Aligned<Index<R>> user_;  // this and what follows: Owners, Kinds and Lookup
    Aligned<R> user_fields_, reference_time_, reference_power_, kind_fields_, corners_;
    std::vector<AxisRows<R>> axes_;
    bool shared_axes_ = false;
};

// What the kernels of a device read of a scenario, in one piece of memory that is to lie at address
// `base` there: the system, then users, tasks and accuracy tables, each at an offset.
struct DeviceImage {
    std::vector<char> bytes;
    size_t users, tasks, tables;
};
template <class R>
DeviceImage device_image(const ScenarioView<R>& view, size_t base);

}  // namespace semopt
