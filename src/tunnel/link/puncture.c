/* SPDX-License-Identifier: MIT
 *
 * A client that cannot reach a relay behind a NAT asks neighbours to have it
 * send to the client; a neighbour passes that on, and the relay sends one
 * POKE, which opens its NAT. All three have limits, since each sends to others
 * because of somebody.
 */
#include "tunnel/link/puncture.h"

#include "base/timestamp.h"
#include "tunnel/link/link_message.h"
#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#define TEXT_MAX 24 /* array, bin head, compact endpoint */

void puncture_config_init(struct puncture_config *config)
{
    *config = (struct puncture_config){.max_sources = 1024,
                                       .source_rate = 1,
                                       .source_burst = 4,
                                       .rate = 20,
                                       .burst = 40};
}

void puncture_init(struct puncture *p, const struct puncture_config *config,
                   const struct puncture_env *env)
{
    struct limiter_config limits = {.rate = config->rate,
                                    .burst = config->burst,
                                    .source_rate = config->source_rate,
                                    .source_burst = config->source_burst,
                                    .max_sources = config->max_sources};

    *p = (struct puncture){.config = *config, .env = *env};
    limiter_init(&p->askers, &limits, &p->env.random);
    limiter_init(&p->targets, &limits, &p->env.random);
    limiter_init(&p->tellers, &limits, &p->env.random);
    limiter_init(&p->poked, &limits, &p->env.random);
}

void puncture_deinit(struct puncture *p)
{
    limiter_deinit(&p->askers);
    limiter_deinit(&p->targets);
    limiter_deinit(&p->tellers);
    limiter_deinit(&p->poked);
}

/* Both kinds of text. */
static size_t write_text(const struct endpoint *ep, uint8_t out[TEXT_MAX])
{
    uint8_t compact[ENDPOINT_COMPACT_MAX];
    size_t len = endpoint_write_compact(ep, compact);
    struct mp_writer w;

    mp_writer_init(&w, out, TEXT_MAX);
    mp_write_array(&w, 1);
    mp_write_bin(&w, bytes_of(compact, len));
    return w.len;
}

static enum error read_text(struct bytes text, struct endpoint *out)
{
    struct mp_token tokens[2];
    struct mp_tape tape = {.tokens = tokens, .cap = 2};
    struct mp_reader r;
    struct bytes compact;
    size_t used;

    mp_reader_parse_first(&r, &tape, text, &used);
    mp_read_array(&r, 1);
    compact = mp_read_bytes(&r, 6, ENDPOINT_COMPACT_MAX);
    return r.err != OK ? r.err : endpoint_read_compact(compact, out);
}

static bool may_have(const struct puncture *p, const struct endpoint *ep)
{
    return endpoint_is_usable(ep) &&
           (p->config.testing_network || endpoint_is_global(ep));
}

/* ---- The client ------------------------------------------------------- */

static bool asked_lately(const struct puncture *p,
                         const struct endpoint *target, uint64_t now)
{
    for (unsigned i = 0; i < PUNCTURE_RECENT; i++) {
        if (p->recent[i].at != 0 &&
            time_since(p->recent[i].at, now) < PUNCTURE_AGAIN &&
            endpoint_equal(&p->recent[i].target, target))
            return true;
    }
    return false;
}

static void remember(struct puncture *p, const struct endpoint *target,
                     uint64_t now)
{
    p->recent[p->recent_next].target = *target;
    p->recent[p->recent_next].at = now;
    p->recent_next = (p->recent_next + 1) % PUNCTURE_RECENT;
}

enum error puncture_ask(struct puncture *p, const struct endpoint *target,
                        uint64_t now)
{
    struct link *links[PUNCTURE_NEIGHBOURS];
    uint8_t text[TEXT_MAX];
    unsigned count, sent = 0;

    if (!may_have(p, target))
        return ERR_ADDRESS;
    if (asked_lately(p, target, now))
        return ERR_RATE_LIMITED;
    count = p->env.pick(p->env.ctx, links, PUNCTURE_NEIGHBOURS);
    for (unsigned i = 0; i < count; i++)
        sent += p->env.send_cell(p->env.ctx, links[i], CELL_PUNCTURE,
                                 bytes_of(text, write_text(target, text)), now);
    if (sent == 0)
        return ERR_NO_NODES;
    remember(p, target, now);
    p->stats.asked++;
    return OK;
}

enum error puncture_ask_for(struct puncture *p, const struct endpoint *target,
                            const struct endpoint *asker, uint64_t now)
{
    return limiter_allow(&p->askers, asker, now) ? puncture_ask(p, target, now)
                                                 : ERR_RATE_LIMITED;
}

/* ---- The introducer ---------------------------------------------------- */

enum error puncture_receive_ask(struct puncture *p, const struct link *link,
                                const struct endpoint *ep, struct bytes text,
                                uint64_t now)
{
    uint8_t told[TEXT_MAX];
    struct endpoint target;
    struct link *to;
    enum error e;

    if (!limiter_allow(&p->askers, ep, now))
        return ERR_RATE_LIMITED;
    e = read_text(text, &target);
    if (e != OK)
        return e;
    to = p->env.find(p->env.ctx, &target);
    if (to == NULL || to == link)
        return ERR_NOT_FOUND;
    if (!limiter_allow(&p->targets, &target, now))
        return ERR_RATE_LIMITED;
    if (!p->env.send_cell(p->env.ctx, to, CELL_PUNCTURED,
                          bytes_of(told, write_text(ep, told)), now))
        return ERR_NOT_FOUND;
    p->stats.introduced++;
    return OK;
}

/* ---- The target -------------------------------------------------------- */

enum error puncture_receive_told(struct puncture *p, const struct endpoint *ep,
                                 struct bytes text, uint64_t now)
{
    struct link_message m = {.kind = LINK_POKE};
    uint8_t datagram[LINK_MESSAGE_MAX];
    struct endpoint client;
    enum error e;

    if (!limiter_allow(&p->tellers, ep, now))
        return ERR_RATE_LIMITED;
    e = read_text(text, &client);
    if (e != OK)
        return e;
    if (!may_have(p, &client))
        return ERR_ADDRESS;
    if (!limiter_allow(&p->poked, &client, now))
        return ERR_RATE_LIMITED;
    p->env.send(p->env.ctx, &client,
                bytes_of(datagram, link_message_write(&m, datagram)));
    p->stats.poked++;
    return OK;
}
