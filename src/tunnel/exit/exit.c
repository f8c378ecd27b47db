/* SPDX-License-Identifier: MIT
 *
 * The way of a datagram: what the rates allow, of which one network of
 * neighbours has at most half (has_tokens), whom the policy
 * and the number of destinations allow (admit), a socket (exit_socket.c), what
 * a silent destination is still given, of this circuit and of all (may_send),
 * and only then the system (send_out). What is wanted of a name (struct
 * exit_want) waits for its addresses in exit_resolve.c and comes back to
 * exit_serve. Circuits with something to close are in a list by use.
 */
#include "tunnel/exit/exit_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SILENCES 4 /* entries of exit_silence for each socket */

void exit_config_default(struct exit_config *config)
{
    *config = (struct exit_config){
        .max_sockets = 2048,
        .max_destinations = 64,
        .max_questions = 512,
        .max_waiting = 4096,
        .max_waiting_circuit = 256,
        .max_names = 4096,
        .rate = 400000,
        .burst = 20000,
        .circuit_rate = 200000,
        .circuit_burst = 10000,
        .silent_rate = 1,
        .silent_burst = 5,
        .question_rate = 5,
        .question_burst = 64,
        .resolve_timeout = 10 * TIME_S,
        .idle_timeout = 2 * TIME_MIN,
    };
}

static unsigned half(unsigned n)
{
    return n < 2 ? 1 : n / 2;
}

enum error exit_new(const struct exit_config *config,
                    const struct exit_env *env, struct policy *policy,
                    struct exit **out)
{
    struct exit *x = calloc(1, sizeof(*x));

    assert(config->max_sockets > 0 && config->max_sockets <= EXIT_SOCKETS_MAX);
    assert(config->max_destinations > 0 &&
           config->max_destinations <= EXIT_SOCKETS_MAX);
    if (x == NULL)
        return ERR_NO_MEMORY;
    x->config = *config;
    x->env = *env;
    x->policy = policy;
    x->rate = token_rate_of(config->rate, config->burst);
    x->network_rate = token_rate_of(half(config->rate), half(config->burst));
    x->circuit_rate =
        token_rate_of(config->circuit_rate, config->circuit_burst);
    x->silent_rate = token_rate_of(config->silent_rate, config->silent_burst);
    x->question_rate =
        token_rate_of(config->question_rate, config->question_burst);
    x->free_socket = NO_SOCKET;
    TAILQ_INIT(&x->questions);
    TAILQ_INIT(&x->held);
    TAILQ_INIT(&x->by_use);
    name_cache_init(&x->cache, config->max_names, &env->random);
    exit_pace_init(&x->pace, config->max_names, &env->random);
    shares_init(&x->waiting_by, &env->random);
    shares_init(&x->sockets_by, &env->random);
    env->random.fill(env->random.ctx, x->site_key, sizeof(x->site_key));
    exit_silence_init(&x->silence, SILENCES * (size_t)config->max_sockets,
                      config->silent_rate, config->silent_burst,
                      EXIT_ANSWER_COUNTS, &env->random);
    *out = x;
    return OK;
}

void exit_free(struct exit *x)
{
    if (x == NULL)
        return;
    assert(x->circuits == 0 && x->answered == NULL);
    name_cache_deinit(&x->cache);
    exit_pace_deinit(&x->pace);
    exit_silence_deinit(&x->silence);
    shares_deinit(&x->waiting_by);
    shares_deinit(&x->sockets_by);
    free(x->places);
    free(x->sockets);
    free(x);
}

static void unlist(struct exit *x, struct exit_circuit *c)
{
    if (!c->listed)
        return;
    TAILQ_REMOVE(&x->by_use, c, use);
    c->listed = false;
}

static void use(struct exit *x, struct exit_circuit *c, uint64_t now)
{
    c->used_at = now;
    if (c->listed && TAILQ_NEXT(c, use) == NULL)
        return;
    unlist(x, c);
    TAILQ_INSERT_TAIL(&x->by_use, c, use);
    c->listed = true;
}

enum error exit_circuit_new(struct exit *x, void *owner,
                            const struct endpoint *neighbour, uint64_t now,
                            struct exit_circuit **out)
{
    struct exit_circuit *c = malloc(sizeof(*c));

    if (c == NULL)
        return ERR_NO_MEMORY;
    *c = (struct exit_circuit){
        .owner = owner,
        .neighbour = *neighbour,
        .site = source_hash(neighbour, SOURCE_SITE, x->site_key),
        .network =
            source_hash(neighbour, SOURCE_NETWORK, x->site_key) % EXIT_NETWORKS,
        .sockets = {NO_SOCKET, NO_SOCKET},
        .used_at = now};
    TAILQ_INIT(&c->questions);
    name_holder_join(&x->cache, &c->names);
    x->circuits++;
    *out = c;
    return OK;
}

void exit_circuit_rest(struct exit *x, struct exit_circuit *c)
{
    exit_sockets_close(x, c);
    exit_destinations_deinit(&c->destinations);
    unlist(x, c);
}

void exit_circuit_free(struct exit *x, struct exit_circuit *c)
{
    if (c == NULL)
        return;
    exit_waits_drop(x, c);
    exit_circuit_rest(x, c);
    name_holder_leave(&x->cache, &c->names);
    assert(x->circuits > 0);
    x->circuits--;
    free(c);
}

static bool has_tokens(const struct exit *x, const struct exit_circuit *c,
                       uint64_t now)
{
    return token_bucket_has(&c->bucket, &x->circuit_rate, now) &&
           token_bucket_has(&x->networks[c->network], &x->network_rate, now) &&
           token_bucket_has(&x->bucket, &x->rate, now);
}

/* How long a destination must not have been used before it makes room: the
 * time in which its allowance of silent packets fills up. */
static uint64_t idle_since(const struct exit *x, uint64_t now)
{
    return time_since(x->silent_rate.depth + x->silent_rate.interval, now);
}

/* The circuit's entry for `to`; the policy decides about new ones, and again
 * when it has changed. */
static enum reason admit(struct exit *x, struct exit_circuit *c,
                         const struct endpoint *to, uint64_t now,
                         struct exit_destination **out)
{
    struct exit_destination *it = exit_destinations_find(&c->destinations, to);

    if (it == NULL || it->policy_version != x->policy->version) {
        if (policy_check(x->policy, to) != POLICY_ACCEPTED) {
            if (it != NULL)
                exit_destinations_remove(&c->destinations, it);
            return REASON_POLICY;
        }
    }
    if (it == NULL)
        it = exit_destinations_add(&c->destinations, to,
                                   x->config.max_destinations,
                                   idle_since(x, now), now);
    if (it == NULL)
        return REASON_FULL;
    it->policy_version = x->policy->version;
    *out = it;
    return EXIT_SENT;
}

/* What is silent is given little, of this circuit and of all. */
static bool may_send(struct exit *x, struct exit_circuit *c,
                     struct exit_destination *it, uint64_t now)
{
    if (exit_destination_answers(it, EXIT_ANSWER_COUNTS, now))
        return true;
    return token_bucket_has(&it->silent, &x->silent_rate, now) &&
           exit_silence_take(&x->silence, &it->ep, c->site, now) &&
           token_bucket_take(&it->silent, &x->silent_rate, now);
}

/* The system's part, after all that could refuse has agreed. */
static enum reason send_out(struct exit *x, struct exit_circuit *c,
                            void *handle, struct exit_destination *it,
                            struct bytes payload, uint64_t now)
{
    enum error e;

    token_bucket_take(&c->bucket, &x->circuit_rate, now);
    token_bucket_take(&x->networks[c->network], &x->network_rate, now);
    token_bucket_take(&x->bucket, &x->rate, now);
    e = x->env.world.send(x->env.world.ctx, handle, &it->ep, payload);
    if (e != OK && e != ERR_NO_SPACE)
        return REASON_IO;
    if (e == OK) {
        it->sent_at = now;
        it->has_sent = true;
        x->stats.sent++;
        x->stats.sent_bytes += payload.len;
    } else {
        x->stats.dropped++;
    }
    return EXIT_SENT;
}

static enum reason send_to(struct exit *x, struct exit_circuit *c,
                           const struct endpoint *to, struct bytes payload,
                           uint64_t now)
{
    struct exit_destination *it;
    enum reason why;
    void *handle;

    if (!has_tokens(x, c, now))
        return REASON_RATE;
    why = admit(x, c, to, now, &it);
    if (why != EXIT_SENT)
        return why;
    use(x, c, now);
    why = exit_socket_get(x, c, (enum family)to->family, now, &handle);
    if (why == EXIT_SENT && !may_send(x, c, it, now))
        why = REASON_SILENT;
    if (why == EXIT_SENT)
        why = send_out(x, c, handle, it, payload, now);
    if (!it->has_sent)
        exit_destinations_remove(&c->destinations, it);
    return why;
}

/* Tries the addresses in turn, as long as another one may do better. */
static enum reason send_any(struct exit *x, struct exit_circuit *c,
                            const struct name_answer *answer, uint16_t port,
                            struct bytes payload, uint64_t now)
{
    enum reason why = answer->why;

    for (unsigned i = 0; i < answer->count; i++) {
        struct endpoint to = answer->ep[i];
        enum reason r;

        to.port = port;
        r = send_to(x, c, &to, payload, now);
        if (r != REASON_POLICY && r != REASON_IO)
            return r;
        if (why != REASON_IO)
            why = r;
    }
    return why;
}

static enum reason tell_found(struct exit *x, const struct exit_circuit *c,
                              uint64_t lookup, const struct name_answer *answer,
                              uint64_t now)
{
    /* What is told may change the cache, where it may be. */
    const struct name_answer told = *answer;
    const struct exit_answer out = {
        .addrs = told.ep,
        .count = told.count,
        .name = bytes_of((const uint8_t *)told.host.text, told.host.len),
        .ttl = NAME_TTL_MAX};

    if (told.why == EXIT_SENT)
        x->env.found(x->env.ctx, c->owner, lookup, &out, now);
    return told.why;
}

enum reason exit_serve(struct exit *x, struct exit_circuit *c,
                       const struct exit_want *want,
                       const struct name_answer *answer, uint64_t now)
{
    if (want->lookup)
        return tell_found(x, c, want->number, answer, now);
    return send_any(x, c, answer, want->port, want->payload, now);
}

static enum reason want_name(struct exit *x, struct exit_circuit *c,
                             const struct name *name,
                             const struct exit_want *want, uint64_t now)
{
    const struct name_answer *answer =
        name_cache_get(&x->cache, &c->names, name, now);

    if (answer == NULL)
        return exit_wait(x, c, name, want, now);
    x->stats.cache_hits++;
    return exit_serve(x, c, want, answer, now);
}

static enum reason counted(struct exit *x, enum reason why)
{
    if (why != EXIT_SENT)
        x->stats.refused[why]++;
    return why;
}

enum reason exit_send(struct exit *x, struct exit_circuit *c,
                      const struct endpoint *to, struct bytes payload,
                      uint64_t now)
{
    if (payload.len > EXIT_PAYLOAD_MAX)
        return counted(x, REASON_PROTOCOL);
    return counted(x, send_to(x, c, to, payload, now));
}

static enum reason send_name(struct exit *x, struct exit_circuit *c,
                             struct bytes text, uint16_t port,
                             struct bytes payload, uint64_t now)
{
    const struct exit_want want = {.port = port, .payload = payload};
    struct endpoint to;
    struct name name;
    bool is_address;
    enum error e = name_parse(text, &name, &to, &is_address);

    if (e == ERR_SYNTAX || payload.len > EXIT_PAYLOAD_MAX)
        return REASON_PROTOCOL;
    if (e != OK)
        return REASON_RESOLVE;
    if (is_address) {
        to.port = port;
        return send_to(x, c, &to, payload, now);
    }
    if (port == 0)
        return REASON_POLICY;
    if (!has_tokens(x, c, now))
        return REASON_RATE;
    return want_name(x, c, &name, &want, now);
}

enum reason exit_send_name(struct exit *x, struct exit_circuit *c,
                           struct bytes name, uint16_t port,
                           struct bytes payload, uint64_t now)
{
    return counted(x, send_name(x, c, name, port, payload, now));
}

static enum reason look_up(struct exit *x, struct exit_circuit *c,
                           struct bytes text, uint64_t lookup, uint64_t now)
{
    const struct exit_want want = {.lookup = true, .number = lookup};
    struct name_answer itself = {.count = 1};
    struct name name;
    bool is_address;
    enum error e = name_parse(text, &name, &itself.ep[0], &is_address);

    if (e == ERR_SYNTAX)
        return REASON_PROTOCOL;
    if (e != OK)
        return REASON_RESOLVE;
    if (is_address)
        return exit_serve(x, c, &want, &itself, now);
    return want_name(x, c, &name, &want, now);
}

enum reason exit_lookup(struct exit *x, struct exit_circuit *c,
                        struct bytes name, uint64_t lookup, uint64_t now)
{
    x->stats.lookups++;
    return counted(x, look_up(x, c, name, lookup, now));
}

/* Of the operator's own networks nothing is told, least of all by his own name
 * server. */
static bool may_be_told(const struct exit *x, const struct endpoint *address)
{
    return (endpoint_is_global(address) || x->policy->testing_network) &&
           !policy_is_own(x->policy, address) &&
           !policy_is_near(x->policy, address);
}

static enum reason reverse(struct exit *x, struct exit_circuit *c,
                           const struct endpoint *address, uint64_t lookup,
                           uint64_t now)
{
    struct exit_want want = {
        .lookup = true, .number = lookup, .reverse = true, .address = *address};
    struct name name;

    want.address.port = 0;
    if (x->env.world.reverse == NULL)
        return REASON_NO_EXIT;
    if (!may_be_told(x, address))
        return REASON_POLICY;
    endpoint_print_addr(address, name.text);
    name.len = (uint8_t)strlen(name.text);
    return want_name(x, c, &name, &want, now);
}

enum reason exit_reverse(struct exit *x, struct exit_circuit *c,
                         const struct endpoint *address, uint64_t lookup,
                         uint64_t now)
{
    x->stats.reversals++;
    return counted(x, reverse(x, c, address, lookup, now));
}

static void note_answer(struct exit_destination *it, uint64_t now)
{
    it->answered_at = now;
    it->has_answered = true;
    it->silent = (struct token_bucket){0};
}

void exit_receive(struct exit *x, uint32_t cookie, const struct endpoint *from,
                  struct bytes payload, uint64_t now)
{
    struct exit_socket *s = exit_socket_find(x, cookie);
    struct exit_destination *it;

    if (s == NULL) {
        x->stats.late++;
        return;
    }
    it = exit_destinations_find(&s->circuit->destinations, from);
    if (it == NULL || !it->has_sent) {
        x->stats.strangers++;
        return;
    }
    if (payload.len > EXIT_PAYLOAD_MAX) {
        x->stats.dropped++;
        return;
    }
    /* All circuits need not hear it each time. */
    if (!exit_destination_answers(it, EXIT_ANSWER_COUNTS / 2, now))
        exit_silence_answered(&x->silence, from, now);
    note_answer(it, now);
    use(x, s->circuit, now);
    x->stats.received++;
    x->stats.received_bytes += payload.len;
    x->env.deliver(x->env.ctx, s->circuit->owner, from, payload, now);
}

void exit_tick(struct exit *x, uint64_t now)
{
    exit_questions_tick(x, now);
    name_cache_tick(&x->cache, now);
    exit_pace_tick(&x->pace, now);
    exit_silence_tick(&x->silence, now);
    while (!TAILQ_EMPTY(&x->by_use) &&
           time_since(TAILQ_FIRST(&x->by_use)->used_at, now) >=
               x->config.idle_timeout)
        exit_circuit_rest(x, TAILQ_FIRST(&x->by_use));
}

uint64_t exit_next_deadline(const struct exit *x)
{
    uint64_t at = time_min(exit_questions_deadline(x), x->cache.sweep_at);

    at = time_min(at, time_min(x->silence.sweep_at, x->pace.sweep_at));
    if (!TAILQ_EMPTY(&x->by_use))
        at = time_min(at, time_after(TAILQ_FIRST(&x->by_use)->used_at,
                                     x->config.idle_timeout));
    return at;
}

void exit_get_stats(const struct exit *x, struct exit_stats *out)
{
    *out = x->stats;
    out->circuits = x->circuits;
    out->sockets = x->socket_count;
    out->open_questions = x->question_count;
    out->waiting = x->waiting;
    out->names = (unsigned)x->cache.table.count;
}
