/* SPDX-License-Identifier: MIT
 *
 * The walk: the frontier is the part of the book from `cursor` on, and a queue
 * of those that are asked again.
 */
#include "dht/crawl/crawl.h"

#include "base/timestamp.h"
#include "dht/crawl/crawl_parts.h"

#include <stdlib.h>
#include <string.h>

#define BEHIND 4 /* queries that may be made up for after a pause */

/* Of ten nodes that no probe asks, those that are asked about themselves, in
 * the order in which they became known: without them single nodes are missed
 * that only their neighbours know. */
#define OWN_OF_TEN 4

#define CHOICES   6   /* random ids, of which one is asked for */
#define ASKED_FOR 3   /* nodes that a question counts as */
#define WINDOW    512 /* nodes of which the nearest is asked for it */

void crawl_config_init(struct crawl_config *config)
{
    *config = (struct crawl_config){
        .family = {true, true},
        .rate = CRAWL_RATE,
        .max_in_flight = 100,
        .tries = 2,
        .retry_after = 10 * TIME_S,
        .probes = 64,
        .max_nodes = 1000000,
        .max_per_host = 32,
    };
}

const char *crawl_state_name(enum crawl_state state)
{
    static const char *const names[] = {
        [CRAWL_NAMED] = "named",   [CRAWL_ASKED] = "asked",
        [CRAWL_WAITS] = "waits",   [CRAWL_ANSWERED] = "answered",
        [CRAWL_SILENT] = "silent", [CRAWL_REFUSED] = "refused",
        [CRAWL_UNSENT] = "unsent",
    };

    return names[state];
}

/* ---- Life ---------------------------------------------------------------- */

static enum error check(const struct crawl_config *config)
{
    if (config->rate == 0 || config->rate > CRAWL_RATE_MAX ||
        config->max_in_flight == 0 || config->tries == 0 ||
        config->tries > UINT8_MAX || config->max_nodes == 0 ||
        config->max_nodes > CRAWL_NODES_MAX || config->max_per_host == 0 ||
        config->max_per_host > CRAWL_NODES_MAX / 256)
        return ERR_RANGE;
    return OK;
}

enum error crawl_new(const struct crawl_config *config, uint64_t now,
                     struct crawl **out)
{
    enum error err = check(config);
    struct crawl *c;

    if (err != OK)
        return err;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return ERR_NO_MEMORY;
    c->config = *config;
    c->began_at = c->send_at = now;
    c->interval = TIME_S / config->rate;
    c->first_waiting = c->last_waiting = CRAWL_NOBODY;
    crawl_book_init(&c->book, config);
    for (int f = 0; f < FAMILIES && err == OK; f++)
        err = crawl_probes_init(&c->probes[f], (enum family)f, config->probes,
                                &config->random);
    if (err != OK) {
        crawl_free(c);
        return err;
    }
    *out = c;
    return OK;
}

void crawl_free(struct crawl *c)
{
    if (c == NULL)
        return;
    for (int f = 0; f < FAMILIES; f++)
        crawl_probes_deinit(&c->probes[f]);
    crawl_book_deinit(&c->book);
    free(c);
}

enum error crawl_reconfigure(struct crawl *c, const struct crawl_config *config)
{
    enum error err = check(config);

    if (err != OK)
        return err;
    c->config = *config;
    c->config.probes = c->probes[FAMILY_IPV4].count;
    c->interval = TIME_S / config->rate;
    c->book.max = config->max_nodes;
    c->book.max_per_host = config->max_per_host;
    return OK;
}

/* ---- States -------------------------------------------------------------- */

void crawl_set_state(struct crawl *c, uint32_t node, enum crawl_state state)
{
    struct crawl_node *n = &c->book.nodes[node];
    uint64_t *counts = c->counts.states[n->ep.family];

    counts[n->state]--;
    counts[state]++;
    c->counts.in_flight -= n->state == CRAWL_ASKED;
    c->counts.in_flight += state == CRAWL_ASKED;
    n->state = (uint8_t)state;
}

/* ---- Those that wait ----------------------------------------------------- */

void crawl_enqueue(struct crawl *c, uint32_t node)
{
    if (c->last_waiting == CRAWL_NOBODY)
        c->first_waiting = node;
    else
        c->book.nodes[c->last_waiting].next = node;
    c->book.nodes[node].next = CRAWL_NOBODY;
    c->last_waiting = node;
    c->waiting++;
}

static void dequeue(struct crawl *c)
{
    c->first_waiting = c->book.nodes[c->first_waiting].next;
    if (c->first_waiting == CRAWL_NOBODY)
        c->last_waiting = CRAWL_NOBODY;
    c->waiting--;
}

/* One that another try was recorded for is none of the queue any more. */
void crawl_unqueue(struct crawl *c, uint32_t node)
{
    uint32_t before = CRAWL_NOBODY;
    uint32_t at = c->first_waiting;

    while (at != node) {
        before = at;
        at = c->book.nodes[at].next;
    }
    if (before == CRAWL_NOBODY) {
        dequeue(c);
        return;
    }
    c->book.nodes[before].next = c->book.nodes[node].next;
    if (c->last_waiting == node)
        c->last_waiting = before;
    c->waiting--;
}

static uint64_t retry_at(const struct crawl *c)
{
    const struct crawl_node *n;

    if (c->first_waiting == CRAWL_NOBODY)
        return TIME_NEVER;
    n = &c->book.nodes[c->first_waiting];
    return time_after(c->began_at + n->settled_ms * TIME_MS,
                      c->config.retry_after);
}

/* ---- Whom to ask --------------------------------------------------------- */

/* The deepest level at which there is another subtree of some nodes. */
static int depth_of(const struct crawl *c, enum family f)
{
    uint64_t nodes = c->counts.states[f][CRAWL_ANSWERED] / DHT_K;
    int depth = 0;

    for (; nodes > 1 && depth < ID_BITS - 1; nodes /= 2)
        depth++;
    return depth;
}

struct crawl_part *crawl_part_of(struct crawl *c, enum family f,
                                 const struct id *id)
{
    unsigned part = (unsigned)(id->b[0] << 8 | id->b[1]);

    return &c->parts[f][part >> (16 - CRAWL_PART_BITS)];
}

/* How well the part of the id space is known that begins with the first `depth`
 * bits of `id`; a question about it counts as ASKED_FOR nodes. */
static uint64_t known_there(struct crawl *c, enum family f, const struct id *id,
                            int depth)
{
    int bits = depth < CRAWL_PART_BITS ? depth : CRAWL_PART_BITS;
    ptrdiff_t width = (ptrdiff_t)1 << (CRAWL_PART_BITS - bits);
    ptrdiff_t at = crawl_part_of(c, f, id) - c->parts[f];
    const struct crawl_part *first = &c->parts[f][at / width * width];
    uint64_t sum = 0;

    for (ptrdiff_t i = 0; i < width; i++)
        sum += first[i].known + ASKED_FOR * (uint64_t)first[i].asked;
    return sum;
}

/* Of some random ids the one in the part that is known least. */
static void choose_target(struct crawl *c, enum family f, struct id *target)
{
    const struct random_source *random = &c->config.random;
    int depth = depth_of(c, f);
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < CHOICES; i++) {
        uint64_t known;
        struct id one;

        random->fill(random->ctx, one.b, ID_BYTES);
        known = known_there(c, f, &one, depth);
        if (known < least) {
            least = known;
            *target = one;
        }
    }
    crawl_part_of(c, f, target)->asked++;
}

/* Of the first unasked ones of the family of `node`, which is one, the nearest:
 * it knows most about `target`. */
static uint32_t nearest_unasked(const struct crawl *c, uint32_t node,
                                const struct id *target)
{
    const struct crawl_node *nodes = c->book.nodes;
    uint8_t family = nodes[node].ep.family;
    unsigned looked = 0;

    for (uint32_t i = node + 1; i < c->book.count && looked < WINDOW; i++) {
        if (nodes[i].state != CRAWL_NAMED || nodes[i].ep.family != family)
            continue;
        looked++;
        if (id_compare_distance(target, &nodes[i].id, &nodes[node].id) < 0)
            node = i;
    }
    return node;
}

/* Those of both families in turn. */
static uint32_t next_of_probes(struct crawl *c, struct id *target)
{
    for (int i = 0; i < FAMILIES; i++) {
        uint32_t node =
            crawl_probes_next(&c->probes[c->turn], &c->book, target);

        c->turn = c->turn == FAMILY_IPV4 ? FAMILY_IPV6 : FAMILY_IPV4;
        if (node != CRAWL_NOBODY)
            return node;
    }
    return CRAWL_NOBODY;
}

static uint32_t next_unasked(struct crawl *c)
{
    while (c->cursor < c->book.count &&
           c->book.nodes[c->cursor].state != CRAWL_NAMED)
        c->cursor++;
    return c->cursor < c->book.count ? c->cursor : CRAWL_NOBODY;
}

static uint32_t sweep(struct crawl *c, struct id *target)
{
    uint32_t node = next_unasked(c);

    if (node == CRAWL_NOBODY)
        return CRAWL_NOBODY;
    if (random_below(&c->config.random, 10) < OWN_OF_TEN) {
        *target = c->book.nodes[node].id;
        return node;
    }
    choose_target(c, (enum family)c->book.nodes[node].ep.family, target);
    return nearest_unasked(c, node, target);
}

/* Every other one is for a probe, as long as there are any: those ask about
 * some places alone, and who asks nothing else misses whole parts. */
static uint32_t choose(struct crawl *c, uint64_t now, struct id *target)
{
    uint32_t node;

    if (retry_at(c) <= now) {
        *target = c->book.nodes[c->first_waiting].id;
        return c->first_waiting;
    }
    c->sweeps = !c->sweeps;
    node = c->sweeps ? CRAWL_NOBODY : next_of_probes(c, target);
    return node != CRAWL_NOBODY ? node : sweep(c, target);
}

static bool has_spent(const struct crawl *c)
{
    return c->config.max_queries > 0 &&
           c->counts.queries >= c->config.max_queries;
}

static void ask(struct crawl *c, uint32_t node)
{
    if (c->book.nodes[node].state == CRAWL_WAITS)
        crawl_unqueue(c, node);
    crawl_set_state(c, node, CRAWL_ASKED);
    c->book.nodes[node].tries++;
    c->counts.queries++;
}

/* Where the walk was behind, some of it is made up for. */
static void pace(struct crawl *c, uint64_t now)
{
    uint64_t latest = BEHIND * c->interval;

    if (time_since(c->send_at, now) > latest)
        c->send_at = now - latest;
    c->send_at += c->interval;
}

bool crawl_next(struct crawl *c, uint64_t now, struct crawl_question *out)
{
    uint32_t node;

    if (now < c->send_at || has_spent(c) ||
        c->counts.in_flight >= c->config.max_in_flight)
        return false;
    node = choose(c, now, &out->target);
    if (node == CRAWL_NOBODY)
        return false;
    out->to = c->book.nodes[node].ep;
    ask(c, node);
    pace(c, now);
    return true;
}

static bool has_unasked(const struct crawl *c)
{
    uint64_t sum = 0;

    for (int f = 0; f < FAMILIES; f++)
        sum += c->counts.states[f][CRAWL_NAMED];
    return sum > 0;
}

uint64_t crawl_next_at(const struct crawl *c)
{
    uint64_t at = has_unasked(c) ? c->send_at : retry_at(c);

    if (has_spent(c) || c->counts.in_flight >= c->config.max_in_flight)
        return TIME_NEVER;
    return at < c->send_at ? c->send_at : at;
}

bool crawl_is_over(const struct crawl *c)
{
    if (c->counts.in_flight > 0)
        return false;
    return has_spent(c) || (!has_unasked(c) && c->waiting == 0);
}

/* ---- From a record ------------------------------------------------------- */

void crawl_asked(struct crawl *c, const struct endpoint *to, uint64_t now)
{
    uint32_t node = crawl_book_find(&c->book, to);

    if (node == CRAWL_NOBODY || (c->book.nodes[node].state != CRAWL_NAMED &&
                                 c->book.nodes[node].state != CRAWL_WAITS))
        return;
    ask(c, node);
    if (now > c->send_at)
        c->send_at = now;
}

void crawl_interrupted(struct crawl *c, uint64_t now)
{
    for (uint32_t i = 0; i < c->book.count && c->counts.in_flight > 0; i++) {
        if (c->book.nodes[i].state == CRAWL_ASKED) {
            const struct endpoint to = c->book.nodes[i].ep;

            crawl_failed(c, &to, ERR_CANCELLED, now);
        }
    }
}

/* ---- Inspection ---------------------------------------------------------- */

void crawl_counts(const struct crawl *c, struct crawl_counts *out)
{
    *out = c->counts;
    memcpy(out->refused_sources, c->book.refused_sources,
           sizeof(out->refused_sources));
    out->refused_full = c->book.refused_full;
    for (int f = 0; f < FAMILIES; f++)
        out->probes_done[f] = c->probes[f].done;
}

uint32_t crawl_node_count(const struct crawl *c)
{
    return c->book.count;
}

const struct crawl_node *crawl_node_at(const struct crawl *c, uint32_t i)
{
    return &c->book.nodes[i];
}

const struct crawl_config *crawl_config_of(const struct crawl *c)
{
    return &c->config;
}

bool crawl_probe(const struct crawl *c, enum family f, unsigned i,
                 struct id *target)
{
    *target = c->probes[f].targets[i].id;
    return c->probes[f].targets[i].done;
}

size_t crawl_memory(const struct crawl *c)
{
    size_t sum = sizeof(*c) + crawl_book_memory(&c->book);

    for (int f = 0; f < FAMILIES; f++)
        sum += c->probes[f].count * sizeof(struct crawl_target);
    return sum;
}
