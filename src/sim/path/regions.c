/* SPDX-License-Identifier: MIT */
#include "sim/path/regions.h"

#include "base/timestamp.h"
#include "sim/csv/csv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_OF_MS    6 /* digits: a nanosecond */
#define LONGEST_MS      4000
#define PLACES_OF_SHARE 6
#define SHARE_MOST      1000000

void regions_deinit(struct regions *r)
{
    free(r->delays);
    free(r->names);
    free(r->ends);
    free(r->of_nodes);
    *r = (struct regions){0};
}

/* The index of a region; r->count: there is none of that name. */
static uint16_t find(const struct regions *r, const char *name)
{
    uint16_t i = 0;

    while (i < r->count && strcmp(r->names[i], name) != 0)
        i++;
    return i;
}

/* ---- The matrix -------------------------------------------------------- */

static enum error allocate(struct regions *r, size_t count)
{
    r->delays = calloc(count * count, sizeof(*r->delays));
    r->names = calloc(count, sizeof(*r->names));
    r->ends = calloc(count, sizeof(*r->ends));
    return r->delays == NULL || r->names == NULL || r->ends == NULL
               ? ERR_NO_MEMORY
               : OK;
}

/* The first row: names of all regions, as many in each. */
static enum error read_names(struct regions *r, struct csv *c)
{
    if (c->count < 2)
        return csv_fail(c, "the first line must name regions: from,eu,us");
    if (allocate(r, c->count - 1) != OK)
        return ERR_NO_MEMORY;
    for (size_t i = 1; i < c->count; i++) {
        size_t len = strlen(c->fields[i]);

        if (len == 0 || len >= REGION_NAME_SIZE)
            return csv_fail(c, "the name of a region must have 1 to %d bytes",
                            REGION_NAME_SIZE - 1);
        if (find(r, c->fields[i]) < r->count)
            return csv_fail(c, "region '%s' stands twice", c->fields[i]);
        memcpy(r->names[r->count++], c->fields[i], len + 1);
        r->ends[i - 1] = i;
    }
    return OK;
}

static enum error read_delays(struct regions *r, struct csv *c, uint16_t row)
{
    if (row == r->count)
        return csv_fail(c, "more rows than regions in the first line");
    if (strcmp(c->fields[0], r->names[row]) != 0)
        return csv_fail(c,
                        "'%.40s' must be '%s': rows are in the order of "
                        "the first line",
                        c->fields[0], r->names[row]);
    if (c->count != r->count + 1u)
        return csv_fail(c, "%zu times, but there are %u regions", c->count - 1,
                        r->count);
    for (uint16_t i = 0; i < r->count; i++) {
        uint64_t ns;

        if (!csv_decimal(c, i + 1u, "a time in ms", PLACES_OF_MS,
                         LONGEST_MS * TIME_MS, &ns))
            return ERR_SYNTAX;
        if (ns == 0)
            return csv_fail(c, "a time in ms must be more than 0");
        r->delays[(size_t)row * r->count + i] = (uint32_t)ns;
    }
    return OK;
}

static enum error read_matrix(struct regions *r, struct csv *c)
{
    uint16_t row = 0;
    enum error err;

    if (!csv_next(c))
        return csv_fail(c, "the first line must name regions: from,eu,us");
    err = read_names(r, c);
    while (err == OK && csv_next(c))
        err = read_delays(r, c, row++);
    if (err == OK && c->error == OK && row < r->count)
        csv_fail(c, "there is no row of region '%s'", r->names[row]);
    return err != OK ? err : c->error;
}

/* What is wrong, where it is not said yet. */
static enum error end(struct regions *r, const char *file, enum error err,
                      struct text *why)
{
    if (err == ERR_NO_MEMORY)
        text_addf(why, "%s: %s", file, error_text(err));
    if (err != OK)
        regions_deinit(r);
    return err;
}

enum error regions_parse(struct regions *r, const char *file, char *text,
                         size_t len, struct text *why)
{
    struct csv c;

    *r = (struct regions){0};
    csv_init(&c, file, text, len, why);
    return end(r, file, read_matrix(r, &c), why);
}

/* ---- Places ------------------------------------------------------------ */

static bool is_title(const struct csv *c, const char *first, const char *second)
{
    return strcmp(c->fields[0], first) == 0 &&
           strcmp(c->fields[1], second) == 0;
}

static enum error find_region(const struct regions *r, struct csv *c,
                              size_t field, uint16_t *out)
{
    *out = find(r, c->fields[field]);
    if (*out == r->count)
        return csv_fail(c, "'%.40s' is no region of the matrix",
                        c->fields[field]);
    return OK;
}

/* Into `ends`, which has the shares themselves for now; 0: not named. */
static enum error read_share(struct regions *r, struct csv *c)
{
    uint64_t share;
    uint16_t region;

    if (find_region(r, c, 0, &region) != OK ||
        !csv_decimal(c, 1, "a share", PLACES_OF_SHARE,
                     UINT64_C(1000000) * SHARE_MOST, &share))
        return ERR_SYNTAX;
    if (share == 0)
        return csv_fail(c, "a share must be more than 0");
    if (r->ends[region] != 0)
        return csv_fail(c, "region '%s' stands twice", r->names[region]);
    r->ends[region] = share;
    return OK;
}

static enum error read_place(struct regions *r, struct csv *c)
{
    uint64_t node;
    uint16_t region;

    if (!csv_number(c, 0, "the node", UINT32_MAX, &node) ||
        find_region(r, c, 1, &region) != OK)
        return ERR_SYNTAX;
    if (node != r->node_count)
        return csv_fail(c, "node %" PRIu64 " must be %zu: all, in their order",
                        node, r->node_count);
    if (r->node_count == r->node_cap) {
        size_t cap = r->node_cap == 0 ? 256 : 2 * r->node_cap;
        uint16_t *more = realloc(r->of_nodes, cap * sizeof(*more));

        if (more == NULL)
            return ERR_NO_MEMORY;
        r->of_nodes = more;
        r->node_cap = cap;
    }
    r->of_nodes[r->node_count++] = region;
    return OK;
}

/* Shares become ends of their parts. */
static void add_up(struct regions *r)
{
    for (uint16_t i = 1; i < r->count; i++)
        r->ends[i] += r->ends[i - 1];
}

static enum error read_places(struct regions *r, struct csv *c)
{
    bool by_node = false, said = false;
    enum error err = OK;

    memset(r->ends, 0, r->count * sizeof(*r->ends));
    for (bool first = true; err == OK && csv_next(c); first = false) {
        if (c->count != 2)
            err = csv_fail(c, "a line must be region,share or node,region");
        else if (first && is_title(c, "region", "share"))
            continue;
        else if (first && is_title(c, "node", "region"))
            by_node = true;
        else {
            err = by_node ? read_place(r, c) : read_share(r, c);
            said = true;
        }
    }
    if (err == OK && c->error == OK && !said)
        csv_fail(c, "nobody is anywhere");
    add_up(r);
    return err != OK ? err : c->error;
}

enum error regions_parse_places(struct regions *r, const char *file, char *text,
                                size_t len, struct text *why)
{
    struct csv c;

    csv_init(&c, file, text, len, why);
    return end(r, file, read_places(r, &c), why);
}

uint16_t regions_of_node(const struct regions *r, uint32_t node,
                         uint64_t number)
{
    uint64_t all = r->ends[r->count - 1], at;
    uint16_t i = 0;

    if (r->of_nodes != NULL)
        return r->of_nodes[node % r->node_count];
    at = number % all; /* of fewer than 2^48 */
    while (r->ends[i] <= at)
        i++;
    return i;
}

uint32_t regions_least(const struct regions *r)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < (size_t)r->count * r->count; i++)
        if (r->delays[i] < least)
            least = r->delays[i];
    return least;
}

/* ---- Files ------------------------------------------------------------- */

typedef enum error parse_fn(struct regions *r, const char *file, char *text,
                            size_t len, struct text *why);

static enum error load(struct regions *r, const char *file, parse_fn *parse,
                       struct text *why)
{
    char *text;
    size_t len;
    enum error err = csv_load(file, &text, &len, why);

    if (err != OK) {
        regions_deinit(r);
        return err;
    }
    err = parse(r, file, text, len, why);
    free(text);
    return err;
}

enum error regions_load(struct regions *r, const char *file, struct text *why)
{
    *r = (struct regions){0};
    return load(r, file, regions_parse, why);
}

enum error regions_load_places(struct regions *r, const char *file,
                               struct text *why)
{
    return load(r, file, regions_parse_places, why);
}
