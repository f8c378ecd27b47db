/* SPDX-License-Identifier: MIT */
#include "sim/population/trace.h"

#include "base/timestamp.h"
#include "sim/csv/csv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 3 /* digits behind the point of seconds */

void trace_deinit(struct trace *t)
{
    free(t->events);
    *t = (struct trace){0};
}

static enum error append(struct trace *t, const struct trace_event *e)
{
    if (t->count == t->cap) {
        size_t cap = t->cap == 0 ? 256 : 2 * t->cap;
        struct trace_event *events = realloc(t->events, cap * sizeof(*events));

        if (events == NULL)
            return ERR_NO_MEMORY;
        t->events = events;
        t->cap = cap;
    }
    t->events[t->count++] = *e;
    return OK;
}

static bool is_title(const struct csv *c)
{
    return c->count == 3 && strcmp(c->fields[0], "seconds") == 0 &&
           strcmp(c->fields[1], "node") == 0 &&
           strcmp(c->fields[2], "event") == 0;
}

static bool read_event(struct csv *c, uint32_t nodes, struct trace_event *e)
{
    uint64_t ms, node;

    if (c->count != 3)
        csv_fail(c, "a line must be seconds,node,join or seconds,node,leave");
    else if (csv_decimal(c, 0, "the time in seconds", PLACES,
                         (uint64_t)TRACE_SECONDS_MAX * 1000, &ms) &&
             csv_number(c, 1, "the node", nodes - 1, &node)) {
        e->at = ms * TIME_MS;
        e->node = (uint32_t)node;
        e->join = strcmp(c->fields[2], "join") == 0;
        if (!e->join && strcmp(c->fields[2], "leave") != 0)
            csv_fail(c, "'%.40s' must be join or leave", c->fields[2]);
    }
    return c->error == OK;
}

/* That it follows from what was before. `there` has a bit for each node. */
static bool fits(struct csv *c, const struct trace *t, uint8_t *there,
                 const struct trace_event *e)
{
    uint8_t *byte = &there[e->node / 8];
    uint8_t bit = (uint8_t)(1u << (e->node % 8));

    if (t->count > 0 && e->at < t->events[t->count - 1].at)
        csv_fail(c, "goes back in time");
    else if (e->join == ((*byte & bit) != 0))
        csv_fail(c, "node %" PRIu32 " %s", e->node,
                 e->join ? "joins but is there" : "leaves but is away");
    else if (t->count == TRACE_EVENTS_MAX)
        csv_fail(c, "more than %zu lines", TRACE_EVENTS_MAX);
    *byte ^= bit;
    return c->error == OK;
}

static enum error read_rows(struct trace *t, struct csv *c, uint32_t nodes,
                            uint8_t *there)
{
    struct trace_event e = {0};
    bool first = true;

    for (; csv_next(c); first = false) {
        if (first && is_title(c))
            continue;
        if (!read_event(c, nodes, &e) || !fits(c, t, there, &e))
            break;
        if (append(t, &e) != OK)
            return ERR_NO_MEMORY;
    }
    if (c->error == OK && t->count == 0)
        csv_fail(c, "nobody ever joins");
    return c->error;
}

enum error trace_parse(struct trace *t, const char *file, char *text,
                       size_t len, uint32_t nodes, struct text *why)
{
    uint8_t *there = calloc(nodes / 8 + 1, 1);
    struct csv c;
    enum error err = ERR_NO_MEMORY;

    *t = (struct trace){0};
    csv_init(&c, file, text, len, why);
    if (nodes == 0)
        err = csv_fail(&c, "there are no nodes but the bootstrap nodes");
    else if (there != NULL)
        err = read_rows(t, &c, nodes, there);
    free(there);
    if (err == ERR_NO_MEMORY)
        text_addf(why, "%s: %s", file, error_text(err));
    if (err != OK)
        trace_deinit(t);
    return err;
}

enum error trace_load(struct trace *t, const char *file, uint32_t nodes,
                      struct text *why)
{
    char *text;
    size_t len;
    enum error err = csv_load(file, &text, &len, why);

    *t = (struct trace){0};
    if (err != OK)
        return err;
    err = trace_parse(t, file, text, len, nodes, why);
    free(text);
    return err;
}
