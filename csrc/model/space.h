// Joint actions of a slot, in one documented order: joint action <-> flat index.
//
// A channel pattern says for each user whether it is local (-1) or which sub-channel it has; no
// sub-channel is used twice. Patterns come in lexicographic order of (channel of user 0, channel of
// user 1, ...), local before sub-channel 0. Within a pattern the users' actions are the digits
// of a mixed radix, the last user's the fastest:
//   local      one action a frequency, ascending
//   offloaded  raw by power ascending, then semantic by (power, frequency, extraction below 1),
//              each ascending, the last fastest
// How many actions a user has depends on local or offloaded only, so `rest` counts the completions
// of every prefix and a pattern is found in O(users x channels).
#pragma once

#include "model/math.h"

namespace semopt {

constexpr int kLocal = -1;

struct Space {
    int users, channels;
    const long long* local;    // (N), local actions
    const long long* offload;  // (N), actions on each sub-channel
    const long long* rest;  // (N + 1, K + 1), joint actions of users n.. with j free sub-channels
};

SEMOPT_HD int most_offloaders(const Space& space) { return math::min(space.users, space.channels); }

SEMOPT_HD long long actions(const Space& space, int user, int channel) {
    return channel == kLocal ? space.local[user] : space.offload[user];
}

// Finds the pattern of joint action `index`: writes channel (N), returns the pattern's first index.
SEMOPT_HD long long pattern_at(const Space& space, long long index, int* channel) {
    long long left = index, before = 1;
    int free = space.channels;
    for (int n = 0; n < space.users; ++n) {
        const long long* rest = space.rest + (n + 1) * (space.channels + 1);
        const long long stay = before * space.local[n] * rest[free];
        channel[n] = kLocal;
        if (left < stay) {
            before *= space.local[n];
            continue;
        }
        left -= stay;
        before *= space.offload[n];
        const long long per_channel = before * rest[--free];
        long long skip = left / per_channel;
        left -= skip * per_channel;
        for (int k = 0;; ++k) {
            bool used = false;
            for (int i = 0; i < n; ++i) used |= channel[i] == k;
            if (!used && skip-- == 0) {
                channel[n] = k;
                break;
            }
        }
    }
    return index - left;
}

// A user's scores, one list after the other: local, then for each number of offloaders 1..min(N, K)
// and each sub-channel its offloaded actions. Where the list begins, from the user's first score.
SEMOPT_HD long long list_start(const Space& space, int user, int channel, int offloaders) {
    if (channel == kLocal) return 0;
    const long long lists = (long long)(offloaders - 1) * space.channels + channel;
    return space.local[user] + lists * space.offload[user];
}

SEMOPT_HD long long list_total(const Space& space, int user) {
    return list_start(space, user, 0, most_offloaders(space) + 1);
}

// A joint action and its score; the better of two has the higher score, then the lower index.
struct Scored {
    double value;
    long long index;
};

SEMOPT_HD bool better(const Scored& a, const Scored& b) {
    return a.value > b.value || (a.value == b.value && a.index < b.index);
}

}  // namespace semopt
