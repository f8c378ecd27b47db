/* SPDX-License-Identifier: MIT
 *
 * Services with keys and members of strings. Which key a service has, and which
 * string a member is of, goes by its seat: keys are made from the scenario's
 * seed and the number of the seat, and what is stored stays with it, as on a
 * disk, so that a service that was away comes back as it was.
 */
#include "sim/part/tunnel_room.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_BYTES 32

/* ---- Seats --------------------------------------------------------------- */

enum error tunnel_seats_init(struct tunnel_seats *s, uint32_t count)
{
    size_t room = count == 0 ? 1 : count;

    s->count = count;
    s->who = calloc(room, sizeof(struct tunnel_record *));
    s->rows = calloc(room, sizeof(struct sim_rows *));
    return s->who == NULL || s->rows == NULL ? ERR_NO_MEMORY : OK;
}

void tunnel_seats_deinit(struct tunnel_seats *s)
{
    for (uint32_t i = 0; s->rows != NULL && i < s->count; i++)
        free(s->rows[i]);
    free(s->rows);
    free(s->who);
    *s = (struct tunnel_seats){0};
}

/* False: all are taken. */
static bool take_seat(struct tunnel_seats *s, struct tunnel_record *r)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->who[i] != NULL)
            continue;
        s->who[i] = r;
        r->seat = i;
        return true;
    }
    return false;
}

void tunnel_seat_end(struct tunnel_record *r)
{
    struct tunnel_seats *s = r->role == POPULATION_SERVICE
                                 ? &r->work->services
                                 : &r->work->associates;

    free(r->met);
    r->met = NULL;
    if (r->role != POPULATION_CLIENT && r->seat < s->count)
        s->who[r->seat] = NULL;
}

/* ---- Services ------------------------------------------------------------ */

static void service_seed(const struct tunnel_work *w, uint32_t seat,
                         uint8_t out[32])
{
    uint8_t text[16] = "service";

    memcpy(text + 8, &w->lab->scenario->run.seed, 8);
    crypto_generichash(out, 32, text, sizeof(text), (const uint8_t *)&seat,
                       sizeof(seat));
}

void tunnel_service_key(const struct tunnel_work *w, uint32_t seat,
                        uint8_t out[32])
{
    uint8_t seed[32], secret[crypto_sign_SECRETKEYBYTES];

    service_seed(w, seat, seed);
    crypto_sign_seed_keypair(out, secret, seed);
}

static struct service_options options_of(const struct tunnel_record *r)
{
    return (struct service_options){.hops =
                                        r->work->lab->scenario->services.hops};
}

enum error tunnel_service_begin(struct tunnel_record *r)
{
    struct tunnel_seats *seats = &r->work->services;
    struct service_options options = options_of(r);
    struct service_memory memory;
    uint8_t seed[32];
    uint32_t id;

    if (!take_seat(seats, r))
        return OK;
    if (seats->rows[r->seat] == NULL)
        seats->rows[r->seat] = calloc(1, sizeof(struct sim_rows));
    if (seats->rows[r->seat] == NULL)
        return ERR_NO_MEMORY;
    r->n->rows = seats->rows[r->seat];
    r->n->rows->service = 0; /* numbers begin anew */
    memory = sim_memory_of(r->n->rows);
    service_seed(r->work, r->seat, seed);
    return service_serve(member_services(r->n->member), seed, &options, &memory,
                         r->came, &id);
}

/* ---- Members of a string ------------------------------------------------- */

bool tunnel_has_met(const struct tunnel_met *met, const uint8_t key[32])
{
    for (unsigned i = 0; i < met->count; i++)
        if (memcmp(met->keys[i], key, 32) == 0)
            return true;
    return false;
}

static void on_service(struct sim_tunnel *n, const struct service_event *e)
{
    struct tunnel_record *r = n->on_service_arg;
    struct tunnel_met *met = r->met;

    if (e->kind != SERVICE_EVENT_PEER || !e->has_key)
        return;
    if (met->first_at == 0)
        met->first_at = sim_now(n->sim);
    if (met->count < TUNNEL_MET && !tunnel_has_met(met, e->key))
        memcpy(met->keys[met->count++], e->key, 32);
}

static uint32_t string_of(const struct tunnel_record *r)
{
    return r->seat % r->work->lab->scenario->services.strings;
}

static enum error join(struct tunnel_record *r)
{
    struct services *services = member_services(r->n->member);
    struct service_options options = options_of(r);
    struct service_status status;
    uint8_t secret[SECRET_BYTES], string[16] = "string";
    uint32_t number = string_of(r);
    enum error e;

    memcpy(string + 8, &number, sizeof(number));
    sim_random(r->n->sim, r->node, secret, sizeof(secret));
    e = service_join(services, bytes_of(string, sizeof(string)), secret,
                     &options, NULL, r->came, &r->met->service);
    if (e == OK)
        e = service_get_status(services, r->met->service, r->came, &status);
    if (e == OK)
        memcpy(r->met->key, status.key, sizeof(r->met->key));
    return e;
}

enum error tunnel_associate_begin(struct tunnel_record *r)
{
    if (!take_seat(&r->work->associates, r))
        return OK;
    r->met = calloc(1, sizeof(*r->met));
    if (r->met == NULL)
        return ERR_NO_MEMORY;
    r->n->on_service = on_service;
    r->n->on_service_arg = r;
    return join(r);
}

void tunnel_associate_harvest(struct tunnel_record *r, uint64_t now)
{
    struct tunnel_met *met = r->met;

    (void)now;
    if (met->first_at == 0 || met->counted)
        return;
    met->counted = true;
    measure_value(r->work->lab->measures, M_MEMBER_TIME,
                  met->first_at - r->came);
}
