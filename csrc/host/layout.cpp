#include "host/layout.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace semopt {

template <class R>
AxisRows<R> axis_rows(const R* axis, int points) {
    AxisRows<R> rows;
    std::memset(&rows, 0, sizeof rows);  // what lies between fields is compared too
    const auto point = [&](int i) { return i < points ? axis[i] : math::Real<R>::infinity; };
    for (int i = 0; i < kAxis; ++i) {
        rows.edge[i] = point(i);
        rows.next[i] = point(i + 1);
        rows.scale[i] = i + 1 < points ? R(1) / (axis[i + 1] - axis[i]) : R(0);
    }
    rows.first = axis[0];
    rows.last = axis[points - 1];
    // A number's bucket rises with it, as rounding keeps the order: a bucket starts in the cell of
    // the last point that lies in one before it.
    const auto position = [&](R x) { return std::fma(x, rows.per_unit, rows.offset); };
    const auto bucket = [&](R x) { return int(position(x)); };
    rows.per_unit = R(0.999) * kAxis / (rows.last - rows.first);
    rows.offset = -rows.first * rows.per_unit;
    const bool sound = position(rows.first) > -1 && position(rows.last) < kAxis;
    if (!sound) rows.per_unit = rows.offset = 0;  // too short for its numbers: one bucket
    for (int b = 0, i = 0; b < kAxis; ++b) {
        while (i + 1 < points && bucket(axis[i + 1]) < b) ++i;
        const Index<R> cell = i;
        std::memcpy(&rows.start[b], &cell, sizeof cell);
        int last = i;
        while (last + 1 < points && bucket(axis[last + 1]) <= b) ++last;
        rows.steps = std::max(rows.steps, last - i);
    }
    return rows;
}

template <class R>
Layout<R>::Layout(const Scenario& scenario) {
    // All fields of a record are of one type (model/model.h): a record is a row of numbers.
    const auto copy = [](const auto& from, auto& to) {
        const double* const source = reinterpret_cast<const double*>(&from);
        R* const target = reinterpret_cast<R*>(&to);
        static_assert(sizeof from / sizeof(double) == sizeof to / sizeof(R), "the same fields");
        for (size_t i = 0; i < sizeof from / sizeof(double); ++i) target[i] = R(source[i]);
    };
    copy(scenario.system, system_);
    users_.resize(scenario.users.size());
    tasks_.resize(scenario.tasks.size());
    for (size_t n = 0; n < users_.size(); ++n) copy(scenario.users[n], users_[n]);
    for (size_t t = 0; t < tasks_.size(); ++t) copy(scenario.tasks[t], tasks_[t]);
    lay_out_tables(scenario);
    lay_out_users();
    lay_out_kinds();
}

template <class R>
void Layout<R>::lay_out_tables(const Scenario& scenario) {
    const auto numbers = [](const double* from, int count) {
        return std::vector<R>(from, from + count);
    };
    bool fits = true;
    for (const AccuracyTable<double>& table : scenario.tables) {
        tables_.push_back(make_table(numbers(table.extraction, table.rows),
                                     numbers(table.snr_db, table.columns),
                                     numbers(table.table, table.rows * table.columns),
                                     numbers(table.raw, table.columns), storage_));
        fits &= table.rows <= kAxis && table.columns <= kAxis;
    }
    if (!fits) return;
    for (const AccuracyTable<R>& table : tables_) {
        axes_.push_back(axis_rows(table.extraction, table.rows));
        axes_.push_back(axis_rows(table.snr_db, table.columns));
        const auto row = [&](int i) {
            return i < kAxis ? table.table + std::min(i, table.rows - 1) * table.columns
                             : table.raw;
        };
        for (int i = 0; i <= kAxis; ++i)
            for (int j = 0; j <= kAxis; ++j)
                for (const R* from : {row(i), row(i < kAxis - 1 ? i + 1 : i)})
                    corners_.push_back(from[std::min(j, table.columns - 1)]);
    }
    shared_axes_ = true;
    for (size_t k = 1; k < tables_.size(); ++k)
        for (int which = 0; which < 2; ++which)
            shared_axes_ &= !std::memcmp(&axes_[which], &axes_[2 * k + which], sizeof axes_[which]);
}

template <class R>
void Layout<R>::lay_out_users() {
    const size_t users = users_.size(), length = std::max<size_t>(users, kBlock<R>) + kMostLanes;
    constexpr size_t kFields = sizeof(User<R>) / sizeof(R);
    user_fields_.resize(kFields * length);
    for (size_t i = 0; i < length; ++i) {
        const User<R>& user = users_[i % users];
        user_.push_back(Index<R>(i % users));
        for (size_t f = 0; f < kFields; ++f)
            user_fields_[f * length + i] = reinterpret_cast<const R*>(&user)[f];
        reference_time_.push_back(reference_time(user));
        reference_power_.push_back(reference_power(user));
    }
}

template <class R>
void Layout<R>::lay_out_kinds() {
    const size_t length = std::max<size_t>(tasks_.size(), kMostLanes);
    constexpr size_t kFields = sizeof(Task<R>) / sizeof(R);
    kind_fields_.resize(kFields * length);
    for (size_t t = 0; t < tasks_.size(); ++t)
        for (size_t f = 0; f < kFields; ++f)
            kind_fields_[f * length + t] = reinterpret_cast<const R*>(&tasks_[t])[f];
}

template <class R>
ScenarioView<R> Layout<R>::view() const {
    return {&system_,
            users_.data(),
            tasks_.data(),
            tables_.data(),
            {user_.data(), user_fields_.data(), reference_time_.data(), reference_power_.data(),
             (long long)user_.size()},
            {kind_fields_.data(), int(std::max<size_t>(tasks_.size(), kMostLanes))},
            {axes_.data(), corners_.empty() ? nullptr : corners_.data(), shared_axes_},
            int(users_.size()),
            int(tasks_.size())};
}

template <class R>
DeviceImage device_image(const ScenarioView<R>& view, size_t base) {
    DeviceImage image;
    const auto append = [&](const void* from, size_t size) {
        const size_t offset = (image.bytes.size() + 7) / 8 * 8;
        image.bytes.resize(offset + size);
        std::memcpy(&image.bytes[offset], from, size);
        return offset;
    };
    append(view.system, sizeof *view.system);
    image.users = append(view.users, view.user_count * sizeof *view.users);
    image.tasks = append(view.tasks, view.task_count * sizeof *view.tasks);
    std::vector<AccuracyTable<R>> tables(view.tables, view.tables + view.task_count);
    for (AccuracyTable<R>& table : tables) {
        const R *const first = table.extraction, *const last = table.snr_scale + table.columns;
        const size_t address = base + append(first, (last - first) * sizeof *first);
        for (const R** part : {&table.extraction, &table.snr_db, &table.table, &table.raw,
                               &table.extraction_scale, &table.snr_scale})
            *part = reinterpret_cast<const R*>(address + (*part - first) * sizeof *first);
    }
    image.tables = append(tables.data(), tables.size() * sizeof tables[0]);
    return image;
}

template DeviceImage device_image(const ScenarioView<double>&, size_t);
template DeviceImage device_image(const ScenarioView<float>&, size_t);
template class Layout<double>;
template class Layout<float>;

}  // namespace semopt
