/* SPDX-License-Identifier: MIT
 *
 * The room put together: life, what each message is, and the tick.
 */
#include "tunnel/meeting/meeting.h"

#include "tunnel/circuit/circuit_message.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"
#include "tunnel/meeting/errand.h"
#include "tunnel/meeting/introduction.h"
#include "tunnel/meeting/rendezvous.h"
#include "tunnel/meeting/topics.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

void meeting_config_init(struct meeting_config *config)
{
    *config = (struct meeting_config){
        .max_introductions = 512,
        .max_topics = 96, /* two announcements each, of dht.max_publications */
        .max_entries = 64,
        .max_cookies = 512,
        .max_lookups = 64,
        .introduce_rate = 500,
        .introduce_burst = 1000,
        .service_rate = 25,
        .service_burst = 100,
        .lookup_rate = 20,
        .lookup_burst = 40,
        .verify_rate = 200,
        .verify_burst = 400,
        .max_sources = 1024,
    };
}

static bool is_complete(const struct meeting_config *c)
{
    return c->max_introductions > 0 && c->max_topics > 0 &&
           c->max_entries > 0 && c->max_cookies > 0 && c->max_lookups > 0 &&
           c->introduce_rate > 0 && c->introduce_burst > 0 &&
           c->service_rate > 0 && c->service_burst > 0 && c->lookup_rate > 0 &&
           c->lookup_burst > 0 && c->verify_rate > 0 && c->verify_burst > 0 &&
           c->max_sources > 0;
}

static void set_rates(struct meeting *m)
{
    const struct meeting_config *c = &m->config;
    const struct limiter_config verify = {
        .rate = c->verify_rate,
        .burst = c->verify_burst,
        .source_rate = (c->verify_rate + 1) / 2,
        .source_burst = (c->verify_burst + 1) / 2,
        .max_sources = c->max_sources};

    limiter_configure(&m->verify, &verify);
    errands_set_rates(m);
    m->introduce_rate = token_rate_of(c->introduce_rate, c->introduce_burst);
}

enum error meeting_new(const struct meeting_config *config,
                       const struct meeting_env *env, struct meeting **out)
{
    const struct limiter_config any = {1, 1, 1, 1, 1};
    struct meeting *m;

    if (!is_complete(config))
        return ERR_RANGE;
    m = calloc(1, sizeof(*m));
    if (m == NULL)
        return ERR_NO_MEMORY;
    m->config = *config;
    m->env = *env;
    m->deadline = TIME_NEVER;
    env->random.fill(env->random.ctx, m->secret, sizeof(m->secret));
    introductions_init(m);
    rendezvous_init(m);
    topics_init(m);
    errands_init(m);
    limiter_init(&m->verify, &any, &env->random);
    set_rates(m);
    *out = m;
    return OK;
}

void meeting_free(struct meeting *m)
{
    if (m == NULL)
        return;
    assert(m->points.count == 0 && m->cookies.count == 0);
    errands_deinit(m);
    topics_deinit(m);
    rendezvous_deinit(m);
    introductions_deinit(m);
    limiter_deinit(&m->verify);
    free(m);
}

void meeting_configure(struct meeting *m, const struct meeting_config *config)
{
    assert(is_complete(config));
    m->config = *config;
    m->points.max = config->max_introductions;
    m->cookies.max = config->max_cookies;
    m->topics.max = config->max_topics;
    set_rates(m);
}

/* ---- For the parts ------------------------------------------------------ */

void meeting_say(struct meeting *m, struct meeting_circuit *c,
                 const struct meeting_message *answer, uint64_t now)
{
    size_t cell = meeting_message_cell(answer->type), len = 0;
    uint8_t text[CELL_MAX];
    enum error e = meeting_message_write(
        answer, text, onion_message_len(cell - CELL_BODY_OFFSET), &len);

    assert(e == OK && meeting_relay_says(answer->type));
    m->env.answer(m->env.ctx, c->relay, bytes_of(text, len), cell, now);
}

bool meeting_may_verify(struct meeting *m, const struct meeting_circuit *c,
                        uint64_t now)
{
    return limiter_allow_known(&m->verify, &c->relay->source, now);
}

uint64_t meeting_mark(const struct meeting *m, struct bytes text)
{
    uint8_t hash[crypto_shorthash_BYTES];

    crypto_shorthash(hash, text.p, text.len, m->secret);
    return bytes_get_number64(hash);
}

void meeting_wake(struct meeting *m, uint64_t at)
{
    m->deadline = time_min(m->deadline, at);
}

/* ---- Messages ----------------------------------------------------------- */

static enum reason dispatch(struct meeting *m, struct meeting_circuit *c,
                            const struct meeting_message *msg,
                            struct bytes text, const uint8_t *transcript,
                            uint64_t now)
{
    switch ((int)msg->type) {
    case MEETING_INTRO_ESTABLISH:
        return introduction_establish(m, c, msg, text, transcript, now);
    case MEETING_INTRODUCE:
        return introduction_introduce(m, c, msg, text, now);
    case MEETING_INTRO_RESULT:
        return introduction_result(m, c, msg, now);
    case MEETING_RENDEZVOUS:
        return rendezvous_wait(m, c, msg, now);
    case MEETING_JOIN:
        return rendezvous_join(m, c, msg, now);
    case MEETING_MEMBERS_ASK:
        return topics_ask(m, c, msg, now);
    case MEETING_DHT_GET:
    case MEETING_DHT_PUT:
        return errand_lookup(m, c, msg, now);
    default:
        return errand_ask(m, c, msg, now);
    }
}

static struct meeting_circuit *circuit_of(struct meeting_circuit **state,
                                          struct transit *relay)
{
    if (*state == NULL) {
        *state = calloc(1, sizeof(**state));
        if (*state != NULL)
            (*state)->relay = relay;
    }
    return *state;
}

enum reason meeting_message(struct meeting *m, struct meeting_circuit **state,
                            struct transit *relay, bool busy, struct bytes text,
                            const uint8_t transcript[MEETING_TRANSCRIPT_BYTES],
                            uint64_t wall, uint64_t now)
{
    struct meeting_message msg;
    struct meeting_circuit *c;
    enum reason why;

    if (meeting_message_read(text, &msg) != OK ||
        !meeting_client_says(msg.type)) {
        m->stats.dropped++;
        return REASON_PROTOCOL;
    }
    m->wall = wall;
    c = busy ? NULL : circuit_of(state, relay);
    if (c == NULL)
        why = busy ? REASON_PROTOCOL : REASON_FULL;
    else
        why = dispatch(m, c, &msg, text, transcript, now);
    if (why != REASON_UNKNOWN)
        m->stats.refused[why]++;
    return why;
}

void meeting_circuit_free(struct meeting *m, struct meeting_circuit *c,
                          uint64_t now)
{
    if (c == NULL)
        return;
    introduction_circuit_gone(m, c, now);
    rendezvous_circuit_gone(m, c);
    errand_circuit_gone(m, c);
    free(c);
}

void meeting_told(struct meeting *m, const struct endpoint *ep,
                  struct bytes text, uint64_t wall, uint64_t now)
{
    m->wall = wall;
    topics_told(m, ep, text);
    errands_told(m, ep, text, now);
}

/* ---- Time --------------------------------------------------------------- */

void meeting_tick(struct meeting *m, uint64_t wall, uint64_t now)
{
    m->wall = wall;
    if (now < m->deadline)
        return;
    m->deadline = TIME_NEVER;
    rendezvous_tick(m, now);
    topics_tick(m, now);
    errands_tick(m, now);
}

uint64_t meeting_next_deadline(const struct meeting *m)
{
    return m->deadline;
}

void meeting_stats(const struct meeting *m, struct meeting_stats *out)
{
    *out = m->stats;
    out->introductions = (unsigned)m->points.count;
    out->waiting = (unsigned)m->waiting.count;
    out->topics = (unsigned)m->topics.count;
    out->entries = m->entries;
    out->cookies = (unsigned)m->cookies.count;
    out->lookups = m->errand_count;
    out->memory = sizeof(*m) + introductions_memory(m) + rendezvous_memory(m) +
                  topics_memory(m) + errands_memory(m) +
                  limiter_memory(&m->verify);
}
