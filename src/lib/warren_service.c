/* SPDX-License-Identifier: MIT
 *
 * Registrations of the program: each is a service of the engine, with a
 * listener that passes on what happens to it.
 *
 *     SERVES   an address whose key is here: the host runs it (service_host)
 *     REACHES  an address of others: the host holds it
 *     MEMBER   a string: a service of the engine's for this alone
 *
 * or one that runs anyway, because the settings say so: `shared`. Events come
 * out of the loop by themselves. What was there before the registration is told
 * by warren_services_tell, or ahead of the first event if that is earlier.
 *
 * The program may do anything in a callback, unregister what is being told
 * included: so after each call the registration is looked up again.
 */
#include "lib/warren_internal.h"
#include "node/os/clock.h"
#include "node/service/destination.h"
#include "node/service/service_host.h"
#include "tunnel/record/address.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_LIMIT 1024

_Static_assert(WARREN_ADDRESS_SIZE >= ADDRESS_TEXT_SIZE &&
                   WARREN_PEER_SIZE >= SERVICE_PEER_TEXT,
               "the texts fit");

enum role { SERVES, REACHES, MEMBER };

/* Who is there. */
struct known_peer {
    uint64_t id;
    bool opened, has_key;
    bool told;
    uint8_t key[32];
};

struct identifier {
    bool is_address;
    uint8_t key[32];
    struct bytes string;
};

struct warren_service {
    TAILQ_ENTRY(warren_service) link;
    struct warren *w;
    uint32_t number; /* as the program knows it */
    uint32_t id;     /* as the engine does */
    enum role role;
    bool shared;
    bool fresh; /* how it stands is still to be told */
    struct identifier identifier;
    char text[SERVICE_STRING_MAX]; /* behind identifier.string */
    struct warren_service_options options;
    struct service_listener listener;
    struct known_peer *peers;
    unsigned peer_count;
};

static struct service_host *host(const struct warren *w)
{
    return w->node->services;
}

static struct services *engine(const struct warren *w)
{
    return service_host_engine(host(w));
}

static struct warren_service *find(const struct warren *w, uint32_t number)
{
    struct warren_service *s;

    TAILQ_FOREACH(s, &w->services, link)
    if (s->number == number)
        return s;
    return NULL;
}

/* ---- Peers -------------------------------------------------------------- */

static struct known_peer *find_peer(const struct warren_service *s, uint64_t id)
{
    for (unsigned i = 0; i < s->peer_count; i++)
        if (s->peers[i].id == id)
            return &s->peers[i];
    return NULL;
}

static struct known_peer *add_peer(struct warren_service *s, uint64_t id,
                                   bool opened, const uint8_t *key)
{
    struct known_peer *grown =
        realloc(s->peers, (s->peer_count + 1) * sizeof(*grown));
    struct known_peer *peer;

    if (grown == NULL)
        return NULL;
    s->peers = grown;
    peer = &grown[s->peer_count++];
    *peer =
        (struct known_peer){.id = id, .opened = opened, .has_key = key != NULL};
    if (key != NULL)
        memcpy(peer->key, key, sizeof(peer->key));
    return peer;
}

/* As the program sees it; `peer` is a copy that stays during the call. */
static struct warren_peer peer_of(const struct warren_service *s,
                                  const struct known_peer *peer)
{
    struct warren_peer p = {.id = peer->id,
                            .service = s->number,
                            .key = peer->has_key ? peer->key : NULL,
                            .opened = peer->opened};

    service_peer_text(peer->id, p.destination);
    return p;
}

/* ---- Telling the program ------------------------------------------------ */

static bool state_of(const struct warren_service *s,
                     struct warren_service_state *out)
{
    struct service_status status;

    if (service_get_status(engine(s->w), s->id, clock_now(), &status) != OK)
        return false;
    *out = (struct warren_service_state){
        .service = s->number,
        .published = status.published,
        .verified = status.verified,
        .points = status.points,
        .peers = status.peers,
        .why = {.name = service_problem_name(status.problem),
                .text = service_problem_text(status.problem)}};
    return true;
}

static void tell_state(const struct warren_service *s)
{
    const struct warren_service_options *o = &s->options;
    struct warren_service_state state;

    if (o->on_state != NULL && state_of(s, &state))
        o->on_state(o->arg, &state);
}

static void tell_peer(const struct warren_service *s, struct known_peer *peer)
{
    const struct warren_service_options *o = &s->options;
    struct known_peer copy = *peer;
    struct warren_peer p = peer_of(s, &copy);

    peer->told = true;
    if (o->on_peer != NULL)
        o->on_peer(o->arg, &p);
}

static struct known_peer *first_untold(const struct warren_service *s)
{
    for (unsigned i = 0; i < s->peer_count; i++)
        if (!s->peers[i].told)
            return &s->peers[i];
    return NULL;
}

/* How it stands; NULL when the program unregisters it meanwhile. */
static struct warren_service *tell_first(struct warren_service *s)
{
    const struct warren *w = s->w;
    uint32_t number = s->number;
    struct known_peer *peer;

    if (!s->fresh)
        return s;
    s->fresh = false;
    tell_state(s);
    while ((s = find(w, number)) != NULL && (peer = first_untold(s)) != NULL)
        tell_peer(s, peer);
    return s;
}

static void on_peer(struct warren_service *s, const struct service_event *e)
{
    struct known_peer *peer = find_peer(s, e->peer);

    if (peer != NULL)
        return;
    peer = add_peer(s, e->peer, e->opened, e->has_key ? e->key : NULL);
    if (peer != NULL) {
        tell_peer(s, peer);
        return;
    }
    log_error(s->w->log, "a peer is turned away: %s",
              error_text(ERR_NO_MEMORY));
    service_peer_close(engine(s->w), e->peer, clock_now());
}

static void on_data(const struct warren_service *s,
                    const struct service_event *e)
{
    const struct warren_service_options *o = &s->options;
    const struct known_peer *peer = find_peer(s, e->peer);
    struct known_peer copy;
    struct warren_peer p;

    if (peer == NULL || o->on_data == NULL)
        return;
    copy = *peer;
    p = peer_of(s, &copy);
    o->on_data(o->arg, &p, e->port, e->payload.p, e->payload.len);
}

static void tell_gone(const struct warren_service *s,
                      const struct known_peer *peer, enum reason why)
{
    const struct warren_service_options *o = &s->options;
    const struct warren_reason reason = {.name = reason_name(why),
                                         .text = reason_text(why)};
    struct warren_peer p = peer_of(s, peer);

    if (o->on_gone != NULL)
        o->on_gone(o->arg, &p, &reason);
}

static void on_gone(struct warren_service *s, const struct service_event *e)
{
    struct known_peer *peer = find_peer(s, e->peer);
    struct known_peer copy;

    if (peer == NULL)
        return;
    copy = *peer;
    *peer = s->peers[--s->peer_count];
    if (copy.told)
        tell_gone(s, &copy, e->why);
}

static void on_event(void *arg, const struct service_event *e)
{
    struct warren_service *s = tell_first(arg);

    if (s == NULL)
        return;
    switch (e->kind) {
    case SERVICE_EVENT_PEER:
        on_peer(s, e);
        break;
    case SERVICE_EVENT_DATA:
        on_data(s, e);
        break;
    case SERVICE_EVENT_GONE:
        on_gone(s, e);
        break;
    case SERVICE_EVENT_STATE:
        tell_state(s);
        break;
    }
}

static struct warren_service *first_fresh(const struct warren *w)
{
    struct warren_service *s;

    TAILQ_FOREACH(s, &w->services, link)
    if (s->fresh)
        return s;
    return NULL;
}

bool warren_services_have_news(const struct warren *w)
{
    return first_fresh(w) != NULL;
}

/* One that registers whenever it is told of a registration leaves the loop its
 * turn. */
void warren_services_tell(struct warren *w)
{
    uint32_t last = w->last_service;
    struct warren_service *s;

    while ((s = first_fresh(w)) != NULL && s->number <= last)
        tell_first(s);
}

/* ---- What is registered ------------------------------------------------- */

static void say(const struct warren *w, const char *identifier, const char *why)
{
    struct text shown;

    text_init(&shown, WHY_LIMIT);
    text_add_printable(&shown, bytes_of_text(identifier));
    log_error(w->log, "the service %s cannot be registered: %s",
              text_get(&shown), why);
    text_deinit(&shown);
}

static enum error read_identifier(const struct warren *w, const char *text,
                                  struct identifier *out)
{
    struct bytes string = bytes_of_text(text);
    enum error e;

    *out = (struct identifier){.is_address = address_is(string)};
    if (out->is_address) {
        e = address_read(w->node->config.dht.network, string, out->key);
        if (e != OK)
            say(w, text, address_error_text(e));
        return e == OK ? OK : ERR_RANGE;
    }
    out->string = string;
    if (string.len > 0 && string.len <= SERVICE_STRING_MAX)
        return OK;
    say(w, text, "a string has 1 to 255 bytes");
    return ERR_RANGE;
}

static enum error check(const struct warren *w, const char *text, unsigned hops,
                        struct identifier *out)
{
    if (hops >= 1 && hops <= SERVICE_HOPS_MAX)
        return read_identifier(w, text, out);
    say(w, text,
        "hops must be 1 to 3: a circuit has four hops at most, and the last "
        "one is a relay that the other side has chosen");
    return ERR_RANGE;
}

static bool is_same(const struct warren_service *s, const struct identifier *i)
{
    if (s->identifier.is_address != i->is_address)
        return false;
    return i->is_address
               ? memcmp(s->identifier.key, i->key, sizeof(i->key)) == 0
               : bytes_equal(s->identifier.string, i->string);
}

static struct warren_service *find_same(const struct warren *w,
                                        const struct identifier *i)
{
    struct warren_service *s;

    TAILQ_FOREACH(s, &w->services, link)
    if (is_same(s, i))
        return s;
    return NULL;
}

/* ---- Beginning ---------------------------------------------------------- */

static enum error join(struct warren_service *s, unsigned hops)
{
    const struct service_options options = {.hops = hops,
                                            .max_peers = s->options.max_peers};
    const struct service_memory none = {.third.third = true};
    struct warren *w = s->w;
    uint8_t secret[32];
    enum error e;

    s->role = MEMBER;
    s->id = service_host_of_string(host(w), s->identifier.string);
    s->shared = s->id != 0;
    if (s->shared)
        return OK;
    randombytes_buf(secret, sizeof(secret));
    e = service_join(engine(w), s->identifier.string, secret, &options, &none,
                     clock_now(), &s->id);
    sodium_memzero(secret, sizeof(secret));
    return e;
}

static enum error serve(struct warren_service *s, unsigned hops,
                        struct text *why)
{
    struct service_program program = {.hops = hops,
                                      .max_peers = s->options.max_peers,
                                      .has_access = s->options.access != NULL};
    enum error e;

    s->role = SERVES;
    if (program.has_access)
        memcpy(program.access, s->options.access, sizeof(program.access));
    e = service_host_run(host(s->w), s->identifier.key, &program, why,
                         clock_now(), &s->id);
    sodium_memzero(&program, sizeof(program));
    return e;
}

/* A connection that cannot be begun is told of as a state. */
static enum error reach(struct warren_service *s, unsigned hops)
{
    enum error e;

    s->role = REACHES;
    e = service_host_reach(host(s->w), s->identifier.key, s->options.access,
                           hops, clock_now(), &s->id);
    if (e == OK)
        service_connect(engine(s->w), s->id, clock_now());
    return e;
}

/* Whom it has already, when others have begun it. */
static enum error note_peers(struct warren_service *s)
{
    unsigned count = service_peers(engine(s->w), s->id, NULL, 0);
    struct service_peer_status *there =
        count == 0 ? NULL : calloc(count, sizeof(*there));
    enum error e = OK;

    if (count > 0 && there == NULL)
        return ERR_NO_MEMORY;
    service_peers(engine(s->w), s->id, there, count);
    for (unsigned i = 0; i < count && e == OK; i++)
        if (add_peer(s, there[i].id, there[i].opened,
                     there[i].has_key ? there[i].key : NULL) == NULL)
            e = ERR_NO_MEMORY;
    free(there);
    return e;
}

/* The engine's side of it. */
static void leave(struct warren_service *s)
{
    uint64_t now = clock_now();

    if (s->id == 0)
        return;
    if (s->role == SERVES)
        service_host_end(host(s->w), s->id, now);
    else if (s->role == MEMBER && !s->shared)
        service_leave(engine(s->w), s->id, false, now);
    else if (s->role == REACHES) {
        for (unsigned i = 0; i < s->peer_count; i++)
            service_peer_close(engine(s->w), s->peers[i].id, now);
        service_host_let_go(host(s->w), s->id, now);
    }
    s->id = 0;
}

static void release(struct warren_service *s)
{
    free(s->peers);
    free(s);
}

static enum error begin(struct warren_service *s, unsigned hops)
{
    struct text why;
    enum error e;

    text_init(&why, WHY_LIMIT);
    if (!s->identifier.is_address) {
        e = join(s, hops);
    } else {
        e = serve(s, hops, &why);
        if (e == ERR_NOT_FOUND)
            e = reach(s, hops);
    }
    if (e == OK)
        e = note_peers(s);
    if (e != OK)
        log_error(s->w->log, "a service cannot be registered: %s",
                  why.len > 0 ? text_get(&why) : error_text(e));
    text_deinit(&why);
    return e;
}

static enum error add(struct warren *w, const struct identifier *i,
                      unsigned hops,
                      const struct warren_service_options *options,
                      struct warren_service **out)
{
    struct warren_service *s = calloc(1, sizeof(*s));
    enum error e;

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->w = w;
    s->identifier = *i;
    s->options = *options;
    if (i->string.len > 0)
        memcpy(s->text, i->string.p, i->string.len);
    s->identifier.string = bytes_of(s->text, i->string.len);
    e = begin(s, hops);
    s->options.access = NULL; /* the program's */
    if (e != OK) {
        leave(s);
        release(s);
        return e;
    }
    s->number = ++w->last_service;
    s->fresh = true;
    s->listener = (struct service_listener){
        .service = s->id, .arg = s, .event = on_event};
    service_host_listen(host(w), &s->listener);
    TAILQ_INSERT_TAIL(&w->services, s, link);
    *out = s;
    return OK;
}

static void again(struct warren_service *s,
                  const struct warren_service_options *options)
{
    s->options = *options;
    s->options.access = NULL;
    if (s->role == REACHES)
        service_connect(engine(s->w), s->id, clock_now());
}

int warren_register_service(struct warren *w, const char *identifier,
                            unsigned hops,
                            const struct warren_service_options *options,
                            uint32_t *service)
{
    static const struct warren_service_options nobody;
    struct identifier i;
    struct warren_service *s;
    enum error e;

    if (w->ending)
        return WARREN_ERR_CANCELLED;
    if (options == NULL)
        options = &nobody;
    warren_enter(w);
    e = check(w, identifier, hops, &i);
    s = e == OK ? find_same(w, &i) : NULL;
    if (s != NULL)
        again(s, options);
    else if (e == OK)
        e = add(w, &i, hops, options, &s);
    if (e == OK && service != NULL)
        *service = s->number;
    service_host_rearm(host(w));
    warren_leave(w);
    return lib_error_of(e);
}

int warren_service_state(const struct warren *w, uint32_t service,
                         struct warren_service_state *state)
{
    const struct warren_service *s = find(w, service);

    return s != NULL && state_of(s, state) ? WARREN_OK : WARREN_ERR_NOT_FOUND;
}

int warren_new_service(struct warren *w, char address[WARREN_ADDRESS_SIZE])
{
    uint8_t key[32];
    struct text why;
    enum error e;

    if (w->ending)
        return WARREN_ERR_CANCELLED;
    text_init(&why, WHY_LIMIT);
    e = service_host_new_key(host(w), key, &why);
    if (e == OK)
        address_print(w->node->config.dht.network, key, address);
    else
        log_error(w->log, "a service cannot be made: %s", text_get(&why));
    text_deinit(&why);
    return lib_error_of(e);
}

bool warren_service_is_registered(const struct warren *w, uint32_t service)
{
    return find(w, service) != NULL;
}

/* ---- Streams ------------------------------------------------------------ */

static struct warren_service *find_by_id(const struct warren *w, uint32_t id)
{
    struct warren_service *s;

    TAILQ_FOREACH(s, &w->services, link)
    if (s->id == id)
        return s;
    return NULL;
}

static bool peer_status(const struct warren_service *s, uint64_t peer,
                        struct service_peer_status *out)
{
    unsigned count = service_peers(engine(s->w), s->id, NULL, 0);
    struct service_peer_status *there =
        count == 0 ? NULL : calloc(count, sizeof(*there));
    bool found = false;

    if (there == NULL)
        return false;
    service_peers(engine(s->w), s->id, there, count);
    for (unsigned i = 0; i < count && !found; i++) {
        found = there[i].id == peer;
        if (found)
            *out = there[i];
    }
    free(there);
    return found;
}

/* A stream of it may come before its event. */
static bool meet_peer(struct warren_service *s, uint64_t peer)
{
    struct service_peer_status status;
    struct known_peer *known;

    if (find_peer(s, peer) != NULL)
        return true;
    if (!peer_status(s, peer, &status))
        return false;
    known =
        add_peer(s, peer, status.opened, status.has_key ? status.key : NULL);
    if (known == NULL)
        return false;
    tell_peer(s, known);
    return true;
}

bool warren_service_peer(struct warren *w, uint32_t id, uint64_t peer,
                         struct warren_peer *out, uint8_t key[32])
{
    struct warren_service *s = find_by_id(w, id);
    const struct known_peer *known;

    if (s != NULL)
        s = tell_first(s);
    if (s == NULL || !meet_peer(s, peer))
        return false;
    s = find_by_id(w, id); /* the program may have unregistered it */
    known = s == NULL ? NULL : find_peer(s, peer);
    if (known == NULL)
        return false;
    *out = peer_of(s, known);
    if (out->key != NULL)
        out->key = memcpy(key, known->key, sizeof(known->key));
    return true;
}

/* ---- Ending ------------------------------------------------------------- */

static void detach(struct warren_service *s)
{
    TAILQ_REMOVE(&s->w->services, s, link);
    service_host_unlisten(host(s->w), &s->listener);
    leave(s);
}

int warren_unregister_service(struct warren *w, uint32_t service)
{
    struct warren_service *s = find(w, service);

    if (s == NULL)
        return WARREN_ERR_NOT_FOUND;
    warren_enter(w);
    warren_streams_unlisten(w, service);
    detach(s);
    release(s);
    service_host_rearm(host(w));
    warren_leave(w);
    return WARREN_OK;
}

void warren_services_end(struct warren *w)
{
    struct warren_service *s;

    while ((s = TAILQ_FIRST(&w->services)) != NULL) {
        detach(s);
        for (unsigned i = 0; i < s->peer_count; i++)
            if (s->peers[i].told)
                tell_gone(s, &s->peers[i], REASON_SHUTDOWN);
        release(s);
    }
}

/* ---- Data --------------------------------------------------------------- */

int warren_close_peer(struct warren *w, uint64_t peer)
{
    enum error e;

    if (w->ending)
        return WARREN_ERR_CANCELLED;
    warren_enter(w);
    e = service_peer_close(engine(w), peer, clock_now());
    service_host_rearm(host(w));
    warren_leave(w);
    return lib_error_of(e);
}

/* Held no longer than it is used (REACHED_IDLE). */
static enum error send_to_stranger(struct warren *w, const uint8_t key[32],
                                   uint16_t port, struct bytes payload)
{
    uint32_t id;
    enum error e = service_host_reach(host(w), key, NULL, SERVICE_HOPS_MAX,
                                      clock_now(), &id);

    if (e != OK)
        return e;
    e = service_send(engine(w), id, port, payload, clock_now());
    service_host_let_go(host(w), id, clock_now());
    return e;
}

static enum error send_to_address(struct warren *w, struct bytes address,
                                  uint16_t port, struct bytes payload)
{
    struct identifier i = {.is_address = true};
    const struct warren_service *s;

    if (address_read(w->node->config.dht.network, address, i.key) != OK)
        return ERR_ADDRESS;
    s = find_same(w, &i);
    if (s == NULL || s->role != REACHES)
        return send_to_stranger(w, i.key, port, payload);
    return service_send(engine(w), s->id, port, payload, clock_now());
}

enum error warren_service_reach(struct warren *w, struct bytes address,
                                unsigned hops, uint32_t *id, bool *held)
{
    struct identifier i = {.is_address = true};
    const struct warren_service *s;

    if (address_read(w->node->config.dht.network, address, i.key) != OK)
        return ERR_ADDRESS;
    s = find_same(w, &i);
    *held = s == NULL || s->role != REACHES;
    if (*held)
        return service_host_reach(host(w), i.key, NULL, hops, clock_now(), id);
    *id = s->id;
    return OK;
}

int warren_service_data(struct warren *w, const struct service_destination *to,
                        struct bytes payload)
{
    enum error e;

    if (w->ending)
        return WARREN_ERR_CANCELLED;
    warren_enter(w);
    if (to->peer != 0)
        e = service_peer_send(engine(w), to->peer, to->port, payload,
                              clock_now());
    else
        e = send_to_address(w, to->address, to->port, payload);
    service_host_rearm(host(w));
    warren_leave(w);
    return lib_error_of(e);
}
