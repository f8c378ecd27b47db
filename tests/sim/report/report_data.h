/* SPDX-License-Identifier: MIT
 *
 * Runs of an experiment that never was, with something of every measure: the
 * further a point, the more is lost.
 */
#ifndef WARREN_TESTS_REPORT_DATA_H
#define WARREN_TESTS_REPORT_DATA_H

#include "base/timestamp.h"
#include "sim/report/report.h"
#include "testing.h"

#define MADE_UP_RUNS 64

struct made_up {
    struct test_random random;
    struct report report;
    struct report_run runs[MADE_UP_RUNS];
    struct measures *measures[MADE_UP_RUNS];
    char values[MADE_UP_RUNS][16];
    struct trace_log traces;
};

static inline bool made_up_chance(struct made_up *x, unsigned percent)
{
    return test_random_below(&x->random, 100) < percent;
}

/* About `middle`, from a quarter to some times as much. */
static inline uint64_t made_up_near(struct made_up *x, uint64_t middle)
{
    uint64_t v = middle / 4;

    for (int i = 0; i < 12; i++)
        v += test_random_below(&x->random, (uint32_t)(middle / 8));
    if (made_up_chance(x, 10))
        v += test_random_below(&x->random, (uint32_t)middle) * UINT64_C(4);
    return v;
}

static inline void made_up_dht(struct made_up *x, struct measures *m,
                               unsigned loss, unsigned minute)
{
    for (int i = 0; i < 20; i++) {
        bool found = made_up_chance(x, 99 - loss / 2);
        uint64_t hops = 2 + test_random_below(&x->random, 3 + loss / 20);

        measure_share(m, M_LOOKUP_SUCCESS, found, 1);
        measure_value(m, M_LOOKUP_HOPS, hops);
        measure_value(m, M_LOOKUP_MESSAGES,
                      3 * hops + loss / 4 + test_random_below(&x->random, 9));
        measure_value(m, M_LOOKUP_TIMEOUTS,
                      test_random_below(&x->random, 2 + loss / 5));
        measure_value(m, M_LOOKUP_TIME,
                      made_up_near(x, (300 + 20 * loss) * TIME_MS));
        if (found)
            measure_value(m, M_LOOKUP_FIRST,
                          made_up_near(x, (150 + 9 * loss) * TIME_MS));
        measure_share(m, M_CLOSEST_FOUND,
                      8 - test_random_below(&x->random, 2 + loss / 10), 8);
        measure_curve(m, M_PEER_FINDABLE, minute,
                      made_up_chance(x, 100 - minute - loss / 2), 1);
    }
    measure_value(m, M_JOIN_TIME, made_up_near(x, 200 * TIME_MS));
    measure_level(m, M_UPKEEP_BYTES, 40000000 + made_up_near(x, 5000000));
    measure_level(m, M_UPKEEP_DATAGRAMS, 300000 + made_up_near(x, 50000));
    measure_level(m, M_TABLE_NODES, 90000 + made_up_near(x, 9000));
    measure_share(m, M_TABLE_STALE, 3 + loss / 3, 100);
    measure_share(m, M_ITEM_SUCCESS, 48, 50);
    measure_value(m, M_ITEM_TIME, made_up_near(x, 500 * TIME_MS));
    measure_curve(m, M_ITEM_FINDABLE, minute,
                  made_up_chance(x, 100 - minute / 2), 1);
}

static inline void made_up_tunnels(struct made_up *x, struct measures *m,
                                   unsigned loss, unsigned minute)
{
    for (int i = 0; i < 10; i++) {
        bool built = made_up_chance(x, 95 - loss);

        measure_share(m, M_CIRCUIT_BUILT, built, 1);
        if (built)
            measure_value(m, M_CIRCUIT_TIME,
                          made_up_near(x, (400 + 10 * loss) * TIME_MS));
        else
            measure_reason(m, M_CIRCUIT_FAILURES,
                           made_up_chance(x, 70) ? 2 : 3);
        measure_share(m, M_CIRCUIT_BOTH_ENDS, made_up_chance(x, 4), 1);
        measure_share(m, M_CIRCUIT_FIRST, made_up_chance(x, 20), 1);
        measure_curve(m, M_GUARD_HOSTILE, minute,
                      made_up_chance(x, 20 + minute / 4), 1);
        measure_curve(m, M_SECOND_KNOWN, minute, made_up_chance(x, minute), 1);
        measure_curve(m, M_THIRD_KNOWN, minute, made_up_chance(x, 10 + minute),
                      1);
        measure_value(m, M_DATAGRAM_TIME, made_up_near(x, 350 * TIME_MS));
        measure_value(m, M_SERVICE_TIME, made_up_near(x, 2100 * TIME_MS));
        measure_value(m, M_MEMBER_TIME, made_up_near(x, 4000 * TIME_MS) * 10);
    }
    measure_share(m, M_VIEW, 180 - loss, 200);
    measure_share(m, M_VIEW_HOSTILE, 20, 180);
    measure_share(m, M_DATAGRAM_ANSWERED, 990 - loss, 1000);
    measure_share(m, M_SERVICE_CONNECTED, 9, 10);
    measure_share(m, M_MEMBERS_FOUND, 40 + minute / 2, 90);
}

static inline void made_up_run(struct made_up *x, struct measures *m,
                               unsigned loss, unsigned samples)
{
    measures_begin(m, 0);
    for (unsigned i = 1; i <= samples; i++) {
        uint64_t sent = 200000 + made_up_near(x, 50000);

        measure_level(m, M_NODES, 1000 - test_random_below(&x->random, 40));
        measure_count(m, M_DATAGRAMS, sent);
        measure_count(m, M_BYTES, 180 * sent);
        measure_count(m, M_LOST, sent * loss / 100);
        measure_level(m, M_NODE_DATAGRAMS, sent * 1000000 / 60000);
        measure_level(m, M_NODE_BYTES, sent * 1000000 / 60000 * 180);
        made_up_dht(x, m, loss, i);
        made_up_tunnels(x, m, loss, i);
        assert(measures_sample(m, i * TIME_MIN) == OK);
    }
}

/* A lookup of 14 nodes that gets nearer to its target. */
static inline void made_up_lookup(struct made_up *x, uint32_t number)
{
    struct trace_step s = {.lookup = number};
    struct id near;

    test_random_fill(&x->random, s.target.b, ID_BYTES);
    test_random_fill(&x->random, s.asker.b, ID_BYTES);
    for (unsigned i = 0; i < 14; i++) {
        unsigned hop = i < 3 ? 1 : i < 7 ? 2 : i < 11 ? 3 : 4;
        int bits = (int)(4 * hop - 2 + test_random_below(&x->random, 4));

        test_random_fill(&x->random, near.b, ID_BYTES);
        for (int b = 0; b < bits; b++)
            id_set_bit(&near, b, id_bit(&s.target, b));
        id_set_bit(&near, bits, !id_bit(&s.target, bits));
        s.asked = near;
        s.hop = hop;
        s.asked_at = (hop - 1) * 110 * TIME_MS + i * 17 * TIME_MS;
        s.took = made_up_near(x, 90 * TIME_MS);
        s.outcome = i == 5 || i == 9 ? TRACE_TIMEOUT
                    : i == 12        ? TRACE_VALUES
                    : i == 6         ? TRACE_DISTRUSTED
                                     : TRACE_ANSWERED;
        if (s.outcome == TRACE_TIMEOUT)
            s.took = 1000 * TIME_MS;
        s.hostile = i == 6 || i == 10;
        assert(trace_log_add(&x->traces, &s) == OK);
    }
}

/* So many points, the first without loss, each with so many seeds. */
static inline void made_up_init(struct made_up *x, unsigned points,
                                unsigned seeds, unsigned samples)
{
    assert(points * seeds <= MADE_UP_RUNS);
    memset(x, 0, sizeof(*x));
    x->random.state = 4711;
    x->report = (struct report){.title = "made_up.ini",
                                .sweeps = points > 1,
                                .sweep = {"network.loss"},
                                .run_count = points * seeds,
                                .runs = x->runs,
                                .traces = &x->traces};
    memset(x->report.hash, 'a', REPORT_HASH_SIZE - 1);
    for (unsigned i = 0; i < points * seeds; i++) {
        unsigned loss = i / seeds * 5;

        x->measures[i] = measures_new(TIME_MIN);
        assert(x->measures[i] != NULL);
        made_up_run(x, x->measures[i], loss, samples);
        snprintf(x->values[i], sizeof(x->values[i]), "%u%%", loss);
        x->runs[i] = (struct report_run){.seed = 1 + i % seeds,
                                         .value = {x->values[i]},
                                         .measures = x->measures[i],
                                         .complete = true};
    }
    for (uint32_t i = 0; i < 2; i++)
        made_up_lookup(x, i);
}

static inline void made_up_deinit(struct made_up *x)
{
    for (size_t i = 0; i < MADE_UP_RUNS; i++)
        measures_free(x->measures[i]);
    trace_log_deinit(&x->traces);
}

#endif
