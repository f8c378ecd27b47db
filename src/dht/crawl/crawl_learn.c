/* SPDX-License-Identifier: MIT
 *
 * What a walk takes from answers, and from silence.
 */
#include "base/timestamp.h"
#include "dht/crawl/crawl_parts.h"

#include <string.h>

static void settle(struct crawl *c, uint32_t node, enum crawl_state state,
                   uint64_t now)
{
    uint64_t at = time_since(c->began_at, now) / TIME_MS;

    c->book.nodes[node].settled_ms = at > UINT32_MAX ? UINT32_MAX
                                                     : (uint32_t)at;
    crawl_set_state(c, node, state);
}

static struct crawl_probes *probes_of(struct crawl *c, uint32_t node)
{
    return &c->probes[c->book.nodes[node].ep.family];
}

/* ---- Learning ------------------------------------------------------------ */

static bool is_wanted(const struct crawl *c, const struct id *id,
                      const struct endpoint *ep)
{
    return endpoint_is_usable(ep) && c->config.family[ep->family] &&
           (id == NULL || !c->config.has_self[ep->family] ||
            !id_equal(id, &c->config.self[ep->family]));
}

static uint32_t learn(struct crawl *c, const struct id *id,
                      const struct endpoint *ep)
{
    uint32_t node = crawl_book_find(&c->book, ep);

    if (node != CRAWL_NOBODY)
        return node;
    node = crawl_book_add(&c->book, ep);
    if (node == CRAWL_NOBODY)
        return CRAWL_NOBODY;
    c->counts.states[ep->family][CRAWL_NAMED]++;
    if (id != NULL) {
        crawl_part_of(c, (enum family)ep->family, id)->known++;
        c->book.nodes[node].id = *id;
        c->book.nodes[node].has_id = true;
        crawl_probes_offer(probes_of(c, node), &c->book, node);
    }
    return node;
}

void crawl_add(struct crawl *c, const struct id *id, const struct endpoint *ep)
{
    if (is_wanted(c, id, ep))
        learn(c, id, ep);
}

/* From the Internet nobody may send us into our own network. */
static bool may_name(const struct crawl *c, const struct endpoint *namer,
                     const struct id *id, const struct endpoint *ep)
{
    return is_wanted(c, id, ep) &&
           (c->config.testing_network || endpoint_is_global(ep) ||
            !endpoint_is_global(namer));
}

static void name(struct crawl *c, uint32_t namer, const struct id *id,
                 const struct endpoint *ep)
{
    const struct endpoint from = c->book.nodes[namer].ep;
    struct crawl_node *n;
    uint32_t node;

    if (!may_name(c, &from, id, ep))
        return;
    node = learn(c, id, ep);
    if (node == CRAWL_NOBODY || node == namer)
        return;
    n = &c->book.nodes[node];
    if (n->last_namer == namer)
        return;
    n->last_namer = namer;
    if (n->first_namer == CRAWL_NOBODY && n->named_by == 0)
        n->first_namer = namer;
    if (n->named_by < UINT16_MAX)
        n->named_by++;
    if (c->book.nodes[namer].names < UINT8_MAX)
        c->book.nodes[namer].names++;
}

/* ---- An answer ----------------------------------------------------------- */

struct names {
    size_t count;
    struct id id[DHT_NODES_MAX];
    struct endpoint ep[DHT_NODES_MAX];
};

static void read_names(struct bytes in, enum family f, struct names *out)
{
    out->count = 0;
    while (out->count < DHT_NODES_MAX &&
           dht_message_next_node(&in, f, &out->id[out->count],
                                 &out->ep[out->count]))
        out->count++;
}

/* One address under two ids: an honest table of warren's has no such thing. */
static bool contradict(const struct names *n)
{
    for (size_t i = 0; i < n->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (endpoint_equal(&n->ep[i], &n->ep[j]) &&
                !id_equal(&n->id[i], &n->id[j]))
                return true;
        }
    }
    return false;
}

static void take_names(struct crawl *c, uint32_t namer,
                       const struct dht_answer *answer)
{
    struct names n[FAMILIES];
    bool honest = true;

    for (int f = 0; f < FAMILIES; f++) {
        read_names(answer->nodes[f], (enum family)f, &n[f]);
        honest = honest && !contradict(&n[f]);
    }
    c->counts.contradicting += !honest;
    for (int f = 0; f < FAMILIES && (honest || c->config.mainline); f++) {
        for (size_t i = 0; i < n[f].count; i++)
            name(c, namer, &n[f].id[i], &n[f].ep[i]);
    }
}

static void take_id(struct crawl *c, uint32_t node, const struct id *id)
{
    struct crawl_node *n = &c->book.nodes[node];

    if (n->has_id && id_equal(&n->id, id))
        return;
    if (n->has_id)
        crawl_probes_drop(probes_of(c, node), &c->book, node);
    n->id_changed = n->has_id;
    n->id = *id;
    n->has_id = true;
    crawl_probes_offer(probes_of(c, node), &c->book, node);
}

static uint32_t asked(const struct crawl *c, const struct endpoint *ep)
{
    uint32_t node = crawl_book_find(&c->book, ep);

    if (node == CRAWL_NOBODY || c->book.nodes[node].state != CRAWL_ASKED)
        return CRAWL_NOBODY;
    return node;
}

void crawl_answered(struct crawl *c, const struct endpoint *from,
                    const struct dht_answer *answer, uint64_t now)
{
    uint32_t node = asked(c, from);
    struct crawl_node *n;

    if (node == CRAWL_NOBODY)
        return;
    n = &c->book.nodes[node];
    n->rtt_us = (uint32_t)(answer->rtt / TIME_US);
    n->version_len = (uint8_t)(answer->version.len < sizeof(n->version)
                                   ? answer->version.len
                                   : sizeof(n->version));
    if (n->version_len > 0)
        memcpy(n->version, answer->version.p, n->version_len);
    settle(c, node, CRAWL_ANSWERED, now);
    take_id(c, node, &answer->id);
    take_names(c, node, answer);
    crawl_probes_settle(probes_of(c, node), &c->book);
}

/* ---- No answer ----------------------------------------------------------- */

static void give_up(struct crawl *c, uint32_t node, enum crawl_state state,
                    uint64_t now)
{
    settle(c, node, state, now);
    crawl_probes_drop(probes_of(c, node), &c->book, node);
    crawl_probes_settle(probes_of(c, node), &c->book);
}

static void wait_for_retry(struct crawl *c, uint32_t node, uint64_t now)
{
    settle(c, node, CRAWL_WAITS, now);
    crawl_enqueue(c, node);
}

/* It did not go out, which is nobody's fault but ours: the next query is not
 * sent as soon. */
static void postpone(struct crawl *c, uint32_t node, uint64_t now)
{
    c->book.nodes[node].tries--;
    c->counts.queries--;
    c->send_at = time_after(now, TIME_S);
    wait_for_retry(c, node, now);
}

static enum crawl_state state_of(enum error why)
{
    if (why == ERR_TIMEOUT || why == ERR_CANCELLED)
        return CRAWL_SILENT;
    return why == ERR_REMOTE ? CRAWL_REFUSED : CRAWL_UNSENT;
}

void crawl_failed(struct crawl *c, const struct endpoint *to, enum error why,
                  uint64_t now)
{
    uint32_t node = asked(c, to);
    enum crawl_state state = state_of(why);

    if (node == CRAWL_NOBODY)
        return;
    if (why == ERR_FULL || why == ERR_RATE_LIMITED)
        postpone(c, node, now);
    else if (state == CRAWL_SILENT &&
             c->book.nodes[node].tries < c->config.tries)
        wait_for_retry(c, node, now);
    else
        give_up(c, node, state, now);
}
