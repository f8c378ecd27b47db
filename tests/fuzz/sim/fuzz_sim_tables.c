/* SPDX-License-Identifier: MIT
 *
 * Tables of an experiment with anything in them: which one, the first byte says
 * (t: a trace, T: one in a file, m: a matrix, p: places for a matrix of three
 * regions). What is taken is within the limits; what is not says why.
 */
#include "fuzz.h"

#include "base/timestamp.h"
#include "sim/path/regions.h"
#include "sim/population/trace.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NODES 20

static enum error load_trace(struct trace *t, const char *text, size_t len,
                             struct text *why)
{
    static int file = -1;
    static char path[32];

    if (file < 0) {
        file = memfd_create("trace.csv", 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    }
    assert(file >= 0 && ftruncate(file, 0) == 0);
    assert(pwrite(file, text, len, 0) == (ssize_t)len);
    return trace_load(t, path, NODES, why);
}

static void check_trace(bool in_file, char *text, size_t len, struct text *why)
{
    struct trace t;
    bool there[NODES] = {false};
    enum error err = in_file ? load_trace(&t, text, len, why)
                             : trace_parse(&t, "fuzz", text, len, NODES, why);

    assert((err == OK) == (t.count > 0));
    for (size_t i = 0; i < t.count; i++) {
        const struct trace_event *e = &t.events[i];

        assert(e->at <= TRACE_SECONDS_MAX * TIME_S && e->node < NODES);
        assert(i == 0 || e->at >= t.events[i - 1].at);
        assert(there[e->node] != e->join);
        there[e->node] = e->join;
    }
    assert((err == OK) == (why->len == 0));
    trace_deinit(&t);
}

static void check_regions(const struct regions *r)
{
    assert(r->count <= REGIONS_MAX);
    for (uint16_t i = 0; i < r->count; i++) {
        assert(strlen(r->names[i]) > 0 &&
               strlen(r->names[i]) < REGION_NAME_SIZE);
        for (uint16_t k = 0; k < r->count; k++)
            assert(regions_delay(r, i, k) <= 4 * TIME_S);
    }
    assert(regions_least(r) > 0);
    for (uint32_t node = 0; node < 50; node++)
        assert(regions_of_node(r, node, node * UINT64_C(0x123456789abcdef)) <
               r->count);
}

static void check_matrix(char *text, size_t len, struct text *why)
{
    struct regions r;
    enum error err = regions_parse(&r, "fuzz", text, len, why);

    assert((err == OK) == (r.count > 0) && (err == OK) == (why->len == 0));
    if (err == OK)
        check_regions(&r);
    regions_deinit(&r);
}

static void check_places(char *text, size_t len, struct text *why)
{
    char matrix[] = "from,eu,us,asia\neu,1,2,3\nus,2,1,4\nasia,3,4,1\n";
    struct regions r;
    enum error err =
        regions_parse(&r, "matrix", matrix, sizeof(matrix) - 1, why);

    assert(err == OK);
    err = regions_parse_places(&r, "fuzz", text, len, why);
    assert((err == OK) == (r.count > 0) && (err == OK) == (why->len == 0));
    if (err == OK)
        check_regions(&r);
    regions_deinit(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text why;
    char *text;

    if (size == 0)
        return 0;
    text = malloc(size);
    assert(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    text_init(&why, 1000);
    if (data[0] == 't' || data[0] == 'T')
        check_trace(data[0] == 'T', text, size - 1, &why);
    else if (data[0] == 'm')
        check_matrix(text, size - 1, &why);
    else
        check_places(text, size - 1, &why);
    text_deinit(&why);
    free(text);
    return 0;
}
