// The CPU backend's two operations: picks the instruction set, splits the work over threads.
#pragma once

#include <new>
#include <string>
#include <vector>

#include "isa/kernels.h"
#include "model/scenario.h"

namespace semopt {

// Names of the instruction sets that this machine runs, from plain to wide.
std::vector<std::string> instruction_sets();

// What the arithmetic breaks that results rely on (model/arithmetic.h), of any object that runs
// here; empty where it breaks nothing.
std::string arithmetic_faults();

// The kernels in use: the widest, or what the environment's SEMOPT_ISA or `use` names.
const Kernels& kernels();
void use_instruction_set(const std::string& name);

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

// A setting as the kernels read it, in one precision.
template <class R>
class SceneOwner {
  public:
    explicit SceneOwner(const Setting& setting);
    SceneOwner(const SceneOwner&) = delete;
    Scene<R> scene() const;

  private:
    void own_tables(const Setting& setting);
    void own_users();
    void own_kinds();

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

struct Scenes {
    const Setting& setting;
    SceneOwner<double> full{setting};
    SceneOwner<float> single{setting};
};

// Both return the faults of the batch (isa/kernels.h): all is scored, a wrong channel as local, a
// wrong kind as the first.
unsigned evaluate(const Batch<double>& batch, long long rows, int threads);
unsigned evaluate(const Batch<float>& batch, long long rows, int threads);

// Scores of every action of every user, as model/space.h lists them: value[n], server_energy[n] (or
// null).
void tabulate(const Scenes& scenes, const Slot& slot, const std::vector<double*>& value,
              const std::vector<double*>& server_energy, int threads);

// Counts of a space, and the memory behind its view.
class SpaceOwner {
  public:
    SpaceOwner(std::vector<long long> local, std::vector<long long> offload, int channels);
    Space space() const {
        return {int(local_.size()), channels_, local_.data(), offload_.data(), rest_.data()};
    }
    long long size() const { return rest_[channels_]; }

  private:
    std::vector<long long> local_, offload_, rest_;
    int channels_;
};

struct Answer {
    std::vector<Scored> best;  // from best to worst
    long long above = 0;
    std::vector<long long> histogram;
};

// The least score of each of `bins` equal bins over [low, high], and the least beyond them, so that
// bin floor((score - low) bins / (high - low)), as rounded, is found by comparisons alone.
std::vector<double> bin_edges(int bins, double low, double high);

Answer search(const Search& search, long long first, long long last, int threads);

}  // namespace semopt
