/* SPDX-License-Identifier: MIT
 *
 * Measures saved by another process: what is read is written as the same
 * bytes, can be added to itself and be read in all ways.
 */
#include "fuzz.h"

#include "sim/measure/measure.h"

#include <assert.h>

#define WRITTEN_MAX (1u << 20)

static void check_written(const struct measures *m, struct bytes input)
{
    struct text out;

    text_init(&out, WRITTEN_MAX);
    measures_write(m, &out);
    assert(out.truncated || bytes_equal(bytes_of(out.buf, out.len), input));
    text_deinit(&out);
}

static void check_measure(const struct measures *m, enum measure what)
{
    struct measure_summary s;
    uint64_t value, count;

    for (size_t i = 0; i <= measures_samples(m) && i < 8; i++)
        measure_summarize(m, what, i, &s);
    measure_summarize(m, what, MEASURE_TOTAL, &s);
    if (measure_rows[what].kind == MEASURE_VALUES && s.count > 0) {
        assert(s.least <= s.median && s.median <= s.p90);
        assert(s.p90 <= s.p99 && s.p99 <= s.most);
    }
    for (size_t i = 0; i < 4; i++) {
        if (measure_bucket(m, what, i, &value, &count))
            assert(count > 0 && value <= s.most);
    }
    for (uint64_t at = 0; at < 8; at++)
        measure_at(m, what, at, &value, &count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes whole = bytes_of(data, size), in = whole;
    struct measures *m;
    struct text why;

    text_init(&why, 200);
    if (measures_read(&in, &m, &why) == OK) {
        check_written(m, bytes_of(data, size - in.len));
        for (int i = 0; i < MEASURES; i++)
            check_measure(m, (enum measure)i);
        assert(measures_add(m, m) == OK);
        for (int i = 0; i < MEASURES; i++)
            check_measure(m, (enum measure)i);
        measures_free(m);
    } else {
        assert(bytes_equal(in, whole) && why.len > 0);
    }
    text_deinit(&why);
    return 0;
}
