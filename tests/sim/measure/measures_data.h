/* SPDX-License-Identifier: MIT
 *
 * Made-up measures: something of each kind, by a seed.
 */
#ifndef WARREN_TESTS_MEASURES_DATA_H
#define WARREN_TESTS_MEASURES_DATA_H

#include "base/timestamp.h"
#include "sim/measure/measure.h"
#include "testing.h"

static inline void count_something(struct measures *m, struct test_random *r)
{
    uint64_t v = test_random_next(r) >> (24 + test_random_below(r, 40));
    uint64_t of = test_random_below(r, 5), hits = of / 2;

    measure_count(m, M_DATAGRAMS, v >> 8);
    measure_level(m, M_NODES, v >> 20);
    measure_share(m, M_LOOKUP_SUCCESS, hits, of);
    measure_value(m, M_LOOKUP_TIME, v);
    measure_value(m, M_LOOKUP_HOPS, v % 9);
    measure_curve(m, M_PEER_FINDABLE, v % 1500, hits, of);
    measure_reason(m, M_CIRCUIT_FAILURES, (unsigned)(v % 20));
}

/* So many samples of a minute, each of so many events. */
static inline void count_samples(struct measures *m, struct test_random *r,
                                 size_t samples, size_t events)
{
    measures_begin(m, TIME_HOUR);
    for (size_t i = 1; i <= samples; i++) {
        for (size_t j = 0; j < events; j++)
            count_something(m, r);
        assert(measures_sample(m, TIME_HOUR + i * TIME_MIN) == OK);
    }
}

#endif
