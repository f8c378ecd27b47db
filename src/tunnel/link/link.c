/* SPDX-License-Identifier: MIT
 *
 * The table of links, opening and closing them, and sending on them. What comes
 * in is in link_receive.c, handshakes in link_handshake.c, what time brings in
 * link_time.c, and large cells on narrow paths in link_large.c; all share
 * link_table.h.
 */
#include "tunnel/link/link.h"

#include "tunnel/link/link_table.h"

#include "base/timestamp.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

/* INITs a second to one host because of neighbours, and at once. */
#define KNOCK_RATE  2
#define KNOCK_BURST 4

/* ---- The table ---------------------------------------------------------- */

/* Room for the tables, which nobody else has yet. */
static enum error allocate(const struct link_config *config, struct links **out)
{
    struct links *l = calloc(1, sizeof(struct links));

    if (l == NULL)
        return ERR_NO_MEMORY;
    l->links = calloc((size_t)config->max_links + config->max_half_open,
                      sizeof(struct link *));
    l->half = calloc(config->max_half_open, sizeof(struct link *));
    if (l->links == NULL || l->half == NULL) {
        free(l->links);
        free(l->half);
        free(l);
        return ERR_NO_MEMORY;
    }
    *out = l;
    return OK;
}

enum error links_new(const struct link_config *config,
                     const struct link_env *env,
                     const struct responder *responder, uint64_t now,
                     struct links **out)
{
    struct limiter_config limits = {
        .rate = config->proven_rate,
        .burst = config->proven_rate,
        .source_rate = config->handshake_source_rate,
        .source_burst = config->handshake_source_burst,
        .max_sources = config->max_sources,
    };
    struct links *l;
    uint8_t fresh[32];

    if (allocate(config, &l) != OK)
        return ERR_NO_MEMORY;
    l->config = *config;
    l->env = *env;
    l->responder = responder;
    env->random.fill(env->random.ctx, fresh, sizeof(fresh));
    cookie_jar_init(&l->jar, fresh, now);
    sodium_memzero(fresh, sizeof(fresh));
    l->free_rate =
        token_rate_of(config->handshake_rate, config->handshake_burst);
    l->free_interval = l->free_rate.interval;
    l->doubt_rate = token_rate_of(LINK_DOUBT_RATE, LINK_DOUBT_RATE);
    limiter_init(&l->limiter, &limits, &env->random);
    limits.source_rate = KNOCK_RATE;
    limits.source_burst = KNOCK_BURST;
    limiter_init(&l->targets, &limits, &env->random);
    limits = (struct limiter_config){.rate = LINK_UNKNOWN_RATE,
                                     .burst = LINK_UNKNOWN_RATE,
                                     .source_rate = LINK_UNKNOWN_SOURCE,
                                     .source_burst = LINK_UNKNOWN_SOURCE,
                                     .max_sources = config->max_sources};
    limiter_init(&l->unknown, &limits, &env->random);
    l->heard_rate = token_rate_of(LINK_UNKNOWN_HEARD, LINK_UNKNOWN_HEARD);
    shares_init(&l->shares, &env->random);
    shares_init(&l->half_shares, &env->random);
    /* A link has three sessions at most while it rekeys. */
    slot_table_init(&l->sessions,
                    (size_t)3 * config->max_links + config->max_half_open,
                    &env->random);
    l->deadline = TIME_NEVER;
    *out = l;
    return OK;
}

void links_say_closed(struct links *l, uint64_t now)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->links[i]->state == LINK_UP)
            link_send(l, l->links[i], CELL_CLOSE, 0, bytes_of(NULL, 0), now);
}

void links_free(struct links *l)
{
    if (l == NULL)
        return;
    while (l->count > 0)
        link_free(l, l->links[l->count - 1]);
    slot_table_deinit(&l->sessions);
    shares_deinit(&l->half_shares);
    shares_deinit(&l->shares);
    limiter_deinit(&l->targets);
    limiter_deinit(&l->unknown);
    limiter_deinit(&l->limiter);
    cookie_jar_deinit(&l->jar);
    free(l->half);
    free(l->links);
    sodium_memzero(l, sizeof(*l));
    free(l);
}

void link_set_deadline(struct links *l, struct link *link, uint64_t at)
{
    link->deadline = at;
    l->deadline = time_min(l->deadline, at);
}

enum error link_new(struct links *l, enum link_state state,
                    const struct endpoint *ep, const struct endpoint *holder,
                    uint64_t now, struct link **out)
{
    struct link *link = calloc(1, sizeof(struct link));
    enum error e;

    if (link == NULL)
        return ERR_NO_MEMORY;
    link->state = state;
    link->peer.ep = *ep;
    link->holder = *holder;
    e = state == LINK_HALF_OPEN ? link_count_half(l, link)
                                : link_count(l, link);
    if (e != OK) {
        free(link);
        return e;
    }
    link->heard_at = link->sent_at = link->used_at = now;
    link->deadline = link->unanswered_at = link->open_until = TIME_NEVER;
    link->slot = l->count;
    l->links[l->count++] = link;
    *out = link;
    return OK;
}

void link_free(struct links *l, struct link *link)
{
    if (link->state == LINK_HALF_OPEN)
        link_uncount_half(l, link);
    link_uncount(l, link);
    handshake_forget(l, link);
    session_free(&l->sessions, link->session);
    session_free(&l->sessions, link->next);
    session_free(&l->sessions, link->previous);
    free(link->parts);
    l->links[link->slot] = l->links[--l->count];
    l->links[link->slot]->slot = link->slot;
    sodium_memzero(link, sizeof(*link));
    free(link);
}

void link_fail(struct links *l, struct link *link, enum reason why,
               uint64_t now)
{
    bool known = link->state != LINK_HALF_OPEN;

    if (link->closing)
        return;
    link->closing = true;
    l->stats.failed++;
    if (known)
        l->env.down(l->env.ctx, link, why, now);
    link_free(l, link);
}

void links_set_load(struct links *l, unsigned load)
{
    const struct limiter *of_all = &l->limiter;

    limiter_load(&l->limiter, load);
    limiter_load(&l->targets, load);
    limiter_load(&l->unknown, load);
    l->free_rate.interval = (uint64_t)((double)l->free_interval *
                                       (double)of_all->all_rate.interval /
                                       (double)of_all->full_rate.interval);
}

unsigned links_count(const struct links *l)
{
    return (unsigned)l->count;
}

const struct link_stats *links_stats(const struct links *l)
{
    return &l->stats;
}

struct link_paths links_paths(const struct links *l)
{
    struct link_paths paths = {0};

    for (size_t i = 0; i < l->count; i++) {
        enum large_state state = l->links[i]->large.state;

        paths.whole += state == LARGE_WHOLE;
        paths.parts += state == LARGE_PARTS;
        paths.lost += state == LARGE_LOST;
    }
    return paths;
}

void links_visit(const struct links *l,
                 void (*visit)(void *ctx, struct link *link), void *ctx)
{
    for (size_t i = 0; i < l->count; i++)
        visit(ctx, l->links[i]);
}

/* ---- Opening, holding, closing ------------------------------------------ */

/* Nothing but the whole target will do: whoever asks for a link may pair the
 * identity of one node with the key or the address of another. */
static bool is_link_to(const struct link *link, const struct link_target *t)
{
    return link->initiator && !link->closing &&
           memcmp(link->peer.identity, t->identity, 32) == 0 &&
           memcmp(link->peer.handshake_key, t->handshake_key,
                  NOISE_KEY_BYTES) == 0 &&
           endpoint_equal(&link->opened, &t->ep);
}

static struct link *find_opened(struct links *l, const struct link_target *t)
{
    for (size_t i = 0; i < l->count; i++) {
        if (is_link_to(l->links[i], t))
            return l->links[i];
    }
    return NULL;
}

enum error link_open(struct links *l, const struct link_target *target,
                     uint64_t now, struct link **out)
{
    static const struct endpoint ourselves;
    struct link *link = find_opened(l, target);

    if (link != NULL)
        link_adopt(l, link);
    return link_open_for(l, target, &ourselves, now, out);
}

static enum error open_new(struct links *l, const struct link_target *target,
                           const struct endpoint *holder, uint64_t now,
                           struct link **out)
{
    struct link *link;
    enum error e = link_new(l, LINK_OPENING, &target->ep, holder, now, &link);

    if (e != OK)
        return e;
    link->initiator = true;
    link->peer = *target;
    link->opened = target->ep;
    e = handshake_start(l, link, now);
    if (e != OK) {
        link_free(l, link);
        return e;
    }
    *out = link;
    return OK;
}

enum error link_open_for(struct links *l, const struct link_target *target,
                         const struct endpoint *asker, uint64_t now,
                         struct link **out)
{
    struct link *link = find_opened(l, target);

    if (link != NULL) {
        link_join(l, link, asker);
        *out = link;
        return OK;
    }
    if (!endpoint_is_usable(&target->ep))
        return ERR_ADDRESS;
    if (!link_may_knock(l, &target->ep, asker, now))
        return ERR_RATE_LIMITED;
    /* The circuit that asks is on a stranger's link, which must not go. */
    if (!link_make_room(l, asker, !endpoint_is_usable(asker), now))
        return ERR_FULL;
    return open_new(l, target, asker, now, out);
}

void link_open_again(struct links *l, struct link *link, uint64_t now)
{
    if (link->state == LINK_OPENING && link->tries < LINK_INIT_TRIES &&
        time_since(link->sent_at, now) >= LINK_INIT_TIMEOUT &&
        endpoint_is_usable(&link->holder) &&
        link_may_knock(l, &link->peer.ep, NULL, now))
        handshake_start(l, link, now);
}

void link_hold(struct link *link)
{
    link->users++;
    link->unwanted = false;
}

void link_release(struct link *link, uint64_t now)
{
    assert(link->users > 0);
    link->users--;
    link->carried |= link->state == LINK_UP;
    link->used_at = now;
    link->unwanted = link->state == LINK_OPENING && link->users == 0;
}

/* ---- Sending ------------------------------------------------------------ */

/* From here on a peer that stays silent will be asked whether it is there. A
 * PONG does not count, or two idle peers would ask each other for ever. */
static void suspect(struct links *l, struct link *link, uint64_t now)
{
    uint64_t at = time_after(now, LINK_SUSPECT_AFTER);

    link->unanswered_at = now;
    link_set_deadline(l, link, time_min(link->deadline, at));
}

/* The link's part of a cell that leaves: body and head, under the counter that
 * no other cell has. */
static void seal_cell(struct links *l, struct link *link,
                      const struct cell_head *head, uint8_t *datagram,
                      size_t len, uint64_t now)
{
    struct session *s = link->session;

    if (head->type != CELL_RELAY)
        cell_seal_body(&s->out, s->counter, datagram, len);
    else
        cell_mask(&s->out, s->counter, datagram, len);
    cell_seal(&s->out, s->remote, s->counter++, head, datagram, len);
    link->sent_at = now;
    l->stats.cells_out++;
    if (link->unanswered_at == TIME_NEVER && head->type != CELL_PONG)
        suspect(l, link, now);
}

static void send_cell(struct links *l, struct link *link,
                      const struct endpoint *to, const struct cell_head *head,
                      uint8_t *datagram, size_t len, uint64_t now)
{
    seal_cell(l, link, head, datagram, len, now);
    if (len == CELL_LARGE && link->large.in_parts)
        large_send_parts(l, to, datagram);
    else
        l->env.send(l->env.send_ctx, to, bytes_of(datagram, len));
    if (len == CELL_LARGE && now >= link->large.next_at)
        large_wanted(l, link, now);
}

bool link_send_relay(struct links *l, struct link *link, uint32_t circuit,
                     uint8_t *datagram, size_t len, uint64_t now)
{
    struct cell_head head = {.circuit = circuit, .type = CELL_RELAY};

    if (link->session == NULL)
        return false;
    send_cell(l, link, &link->peer.ep, &head, datagram, len, now);
    return true;
}

static void send_text(struct links *l, struct link *link,
                      const struct endpoint *to, const struct cell_head *head,
                      struct bytes text, uint64_t now)
{
    uint8_t datagram[CELL_MAX];
    size_t len = text.len <= CELL_SMALL_BODY - NOISE_TAG_BYTES ? CELL_SMALL
                                                               : CELL_LARGE;

    assert(text.len <= CELL_TEXT_MAX);
    memset(datagram, 0, len);
    if (text.len > 0)
        memcpy(datagram + CELL_BODY_OFFSET, text.p, text.len);
    send_cell(l, link, to, head, datagram, len, now);
}

bool link_send(struct links *l, struct link *link, enum cell_type type,
               uint32_t circuit, struct bytes text, uint64_t now)
{
    struct cell_head head = {.circuit = circuit, .type = (uint8_t)type};

    if (link->session == NULL)
        return false;
    send_text(l, link, &link->peer.ep, &head, text, now);
    return true;
}

void link_send_to(struct links *l, struct link *link, const struct endpoint *to,
                  enum cell_type type, struct bytes text, uint64_t now)
{
    struct cell_head head = {.type = (uint8_t)type};

    send_text(l, link, to, &head, text, now);
}

void link_send_large_ping(struct links *l, struct link *link,
                          const uint8_t nonce[LINK_PING_NONCE], bool in_parts,
                          uint64_t now)
{
    static const struct cell_head head = {.type = CELL_PING};
    uint8_t datagram[CELL_LARGE] = {0};

    memcpy(datagram + CELL_BODY_OFFSET, nonce, LINK_PING_NONCE);
    seal_cell(l, link, &head, datagram, sizeof(datagram), now);
    if (in_parts)
        large_send_parts(l, &link->peer.ep, datagram);
    else if (l->env.send_alone != NULL)
        l->env.send_alone(l->env.send_ctx, &link->peer.ep,
                          bytes_of(datagram, sizeof(datagram)));
    else
        l->env.send(l->env.send_ctx, &link->peer.ep,
                    bytes_of(datagram, sizeof(datagram)));
}
