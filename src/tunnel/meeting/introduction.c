/* SPDX-License-Identifier: MIT
 *
 * Points are found by their auth id, INTRODUCEs that wait by their handle: the
 * index in a slot table, which is random enough to tell a service nothing of
 * others. Both stay in lists so that nobody is left behind when one goes.
 */
#include "tunnel/meeting/introduction.h"

#include "tunnel/meeting/topics.h"
#include "tunnel/record/service_key.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define REPEATS_MAX 8 /* that go out to the service */

/* A client's INTRODUCE. */
struct introduce {
    struct introduce *next, *prev; /* in the point's list, while it waits */
    struct introduction *point;    /* NULL: there is a result */
    struct meeting_circuit *circuit;
    uint64_t said; /* its mark */
    uint32_t handle;
    uint32_t effort;
    uint8_t status; /* enum meeting_status */
    uint8_t repeats;
};

static struct introduction *of_place(struct place *place)
{
    size_t offset = offsetof(struct introduction, place);

    return (struct introduction *)(void *)((uint8_t *)place - offset);
}

static struct bytes id_of(const struct keyed_entry *e)
{
    const struct introduction *point = (const void *)e;

    return bytes_of(point->auth_id, sizeof(point->auth_id));
}

void introductions_init(struct meeting *m)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    m->env.random.fill(m->env.random.ctx, secret, sizeof(secret));
    keyed_table_init(&m->point_by_id, SIZE_MAX, id_of, secret);
    places_init(&m->points, m->config.max_introductions,
                m->config.testing_network, &m->env.random);
    slot_table_init(&m->waiting, SLOTS_MAX, &m->env.random);
}

void introductions_deinit(struct meeting *m)
{
    places_deinit(&m->points);
    slot_table_deinit(&m->waiting);
}

size_t introductions_memory(const struct meeting *m)
{
    return places_memory(&m->points) + keyed_table_memory(&m->point_by_id) +
           m->points.count * sizeof(struct introduction) +
           m->waiting.cap * sizeof(struct slot) +
           m->waiting.count * sizeof(struct introduce);
}

/* ---- Results ------------------------------------------------------------ */

static void say_ack(struct meeting *m, struct introduce *i, uint64_t now)
{
    const struct meeting_message ack = {.type = MEETING_INTRODUCE_ACK,
                                        .status =
                                            (enum meeting_status)i->status,
                                        .effort = i->effort};

    meeting_say(m, i->circuit, &ack, now);
}

/* It waits no more. */
static void unlink_introduce(struct meeting *m, struct introduce *i)
{
    if (i->point == NULL)
        return;
    if (i->prev != NULL)
        i->prev->next = i->next;
    else
        i->point->waiting = i->next;
    if (i->next != NULL)
        i->next->prev = i->prev;
    i->point = NULL;
    slot_table_remove(&m->waiting, i->handle);
}

static void end_introduce(struct meeting *m, struct introduce *i,
                          enum meeting_status status, uint32_t effort,
                          uint64_t now)
{
    unlink_introduce(m, i);
    i->status = (uint8_t)status;
    i->effort = effort;
    m->stats.acks[status]++;
    say_ack(m, i, now);
}

/* What the service may say of one; anything else is a refusal. */
static enum meeting_status status_of(enum meeting_status said)
{
    return said == MEETING_TAKEN || said == MEETING_BUSY ||
                   said == MEETING_AGAIN
               ? said
               : MEETING_REFUSED;
}

enum reason introduction_result(struct meeting *m, struct meeting_circuit *c,
                                const struct meeting_message *msg, uint64_t now)
{
    struct introduce *i = slot_table_find(&m->waiting, msg->handle);

    if (!c->of_service)
        return REASON_PROTOCOL;
    /* Not one of its own, or one that has its result: said twice. */
    if (i == NULL || c->point == NULL || i->point != c->point)
        return REASON_UNKNOWN;
    if (msg->status != MEETING_AGAIN) /* that has a time there */
        c->point->effort = msg->effort;
    end_introduce(m, i, status_of(msg->status), msg->effort, now);
    return REASON_UNKNOWN;
}

/* ---- Points ------------------------------------------------------------- */

static void say_status(struct meeting *m, struct meeting_circuit *c,
                       enum meeting_status status, uint64_t now)
{
    const struct meeting_message answer = {.type = MEETING_INTRO_ESTABLISHED,
                                           .status = status};

    meeting_say(m, c, &answer, now);
}

/* The point is no more; those who wait hear UNKNOWN. */
static void drop_point(struct meeting *m, struct introduction *point,
                       uint64_t now)
{
    topics_leave(m, point);
    keyed_table_remove(&m->point_by_id, &point->by_id);
    places_remove(&m->points, &point->place);
    point->circuit->point = NULL;
    while (point->waiting != NULL)
        end_introduce(m, point->waiting, MEETING_UNKNOWN, 0, now);
    free(point);
}

void introduction_make_way(struct meeting *m, struct introduction *point,
                           uint64_t now)
{
    m->stats.made_way++;
    say_status(m, point->circuit, MEETING_FULL, now);
    drop_point(m, point, now);
}

static struct introduction *find_point(const struct meeting *m,
                                       const uint8_t *auth_id)
{
    return (void *)keyed_table_find(&m->point_by_id,
                                    bytes_of(auth_id, MEETING_AUTH_ID_BYTES));
}

static enum error add_point(struct meeting *m, struct introduction *point,
                            const struct endpoint *source, uint64_t now)
{
    enum error e = keyed_table_add(&m->point_by_id, &point->by_id);

    if (e != OK)
        return e;
    e = places_add(&m->points, &point->place, source, now);
    if (e != OK)
        keyed_table_remove(&m->point_by_id, &point->by_id);
    return e;
}

/* One for this circuit; FULL when there is no place. */
static enum meeting_status new_point(struct meeting *m,
                                     struct meeting_circuit *c,
                                     const uint8_t *auth_id, uint64_t now)
{
    const struct endpoint *source = &c->relay->source;
    struct introduction *point;
    struct place *way;

    if (!places_find(&m->points, source, now, &way))
        return MEETING_FULL;
    point = calloc(1, sizeof(*point));
    if (point == NULL)
        return MEETING_FULL;
    if (way != NULL)
        introduction_make_way(m, of_place(way), now);
    memcpy(point->auth_id, auth_id, sizeof(point->auth_id));
    if (add_point(m, point, source, now) != OK) {
        free(point);
        return MEETING_FULL;
    }
    point->circuit = c;
    c->point = point;
    return MEETING_TAKEN;
}

/* The point's newer circuit. */
static enum meeting_status move_point(struct meeting *m,
                                      struct introduction *point,
                                      struct meeting_circuit *c, uint64_t now)
{
    struct meeting_circuit *old = point->circuit;

    if (places_move(&m->points, &point->place, &c->relay->source) != OK)
        return MEETING_FULL;
    m->stats.replaced++;
    point->circuit = c;
    c->point = point;
    old->point = NULL;
    say_status(m, old, MEETING_REPLACED, now);
    return MEETING_TAKEN;
}

static unsigned at_most(unsigned asked, unsigned max)
{
    return asked == 0 || asked > max ? max : asked;
}

/* What the message asks for, of the point that stands. */
static enum meeting_status set_point(struct meeting *m,
                                     struct introduction *point,
                                     const struct meeting_message *msg,
                                     uint64_t said, uint64_t now)
{
    const struct meeting_config *c = &m->config;

    point->said = said;
    point->place.used_at = now;
    point->rate = token_rate_of(at_most(msg->rate, c->service_rate),
                                at_most(msg->burst, c->service_burst));
    if (msg->topic == NULL) {
        topics_leave(m, point);
        return MEETING_TAKEN;
    }
    if (topics_enter(m, point, msg->topic, msg->entry, now) == OK)
        return MEETING_TAKEN;
    drop_point(m, point, now);
    return MEETING_FULL;
}

static bool is_proven(const struct meeting_message *msg,
                      const uint8_t transcript[MEETING_TRANSCRIPT_BYTES])
{
    uint8_t covered[MEETING_SIGNED_MAX];
    size_t len = meeting_signed_bytes(msg, transcript, covered);

    return crypto_sign_verify_detached(msg->signature, covered, len,
                                       msg->auth_key) == 0;
}

static enum meeting_status establish(struct meeting *m,
                                     struct meeting_circuit *c,
                                     const struct meeting_message *msg,
                                     const uint8_t *auth_id, uint64_t said,
                                     uint64_t now)
{
    struct introduction *point = find_point(m, auth_id);
    enum meeting_status status = MEETING_TAKEN;

    if (point == NULL)
        status = new_point(m, c, auth_id, now);
    else if (point->circuit != c)
        status = move_point(m, point, c, now);
    if (status != MEETING_TAKEN)
        return status;
    assert(c->point != NULL);
    c->of_service = true;
    status = set_point(m, c->point, msg, said, now);
    m->stats.established += status == MEETING_TAKEN;
    return status;
}

enum reason
introduction_establish(struct meeting *m, struct meeting_circuit *c,
                       const struct meeting_message *msg, struct bytes text,
                       const uint8_t transcript[MEETING_TRANSCRIPT_BYTES],
                       uint64_t now)
{
    uint64_t said = meeting_mark(m, text);
    uint8_t auth_id[MEETING_AUTH_ID_BYTES];

    if (!c->of_service && !circuit_is_fresh(c))
        return REASON_PROTOCOL;
    if (c->point != NULL && c->point->said == said) {
        say_status(m, c, MEETING_TAKEN, now);
        return REASON_UNKNOWN;
    }
    service_key_auth_id(msg->auth_key, auth_id);
    if (c->point != NULL &&
        memcmp(c->point->auth_id, auth_id, sizeof(auth_id)) != 0)
        return REASON_PROTOCOL;
    if (!meeting_may_verify(m, c, now))
        return REASON_RATE;
    if (!is_proven(msg, transcript))
        say_status(m, c, MEETING_REFUSED, now);
    else
        say_status(m, c, establish(m, c, msg, auth_id, said, now), now);
    return REASON_UNKNOWN;
}

/* ---- Introductions ------------------------------------------------------ */

static bool may_introduce(struct meeting *m, struct introduction *point,
                          const struct meeting_message *msg, uint64_t now)
{
    bool works = msg->has_work && msg->work.effort > 0 &&
                 msg->work.effort >= point->effort;
    struct token_bucket *bucket = works ? &point->worked : &point->free;

    return token_bucket_has(&m->introduce_bucket, &m->introduce_rate, now) &&
           token_bucket_take(bucket, &point->rate, now) &&
           token_bucket_take(&m->introduce_bucket, &m->introduce_rate, now);
}

static void pass_on(struct meeting *m, const struct introduce *i,
                    const struct meeting_message *msg, uint64_t now)
{
    struct meeting_message out = *msg;

    out.type = MEETING_INTRODUCED;
    out.handle = i->handle;
    meeting_say(m, i->point->circuit, &out, now);
}

static void repeat(struct meeting *m, struct introduce *i,
                   const struct meeting_message *msg, uint64_t now)
{
    m->stats.repeated++;
    if (i->point == NULL)
        say_ack(m, i, now);
    else if (i->repeats++ < REPEATS_MAX)
        pass_on(m, i, msg, now);
    else
        i->repeats = REPEATS_MAX;
}

static enum error add_waiting(struct meeting *m, struct introduction *point,
                              struct introduce *i)
{
    enum error e = slot_table_add(&m->waiting, i, &i->handle);

    if (e != OK)
        return e;
    i->point = point;
    i->next = point->waiting;
    if (i->next != NULL)
        i->next->prev = i;
    point->waiting = i;
    return OK;
}

static void first_time(struct meeting *m, struct introduce *i,
                       const struct meeting_message *msg, uint64_t now)
{
    struct introduction *point = find_point(m, msg->auth_id);

    if (point == NULL) {
        end_introduce(m, i, MEETING_UNKNOWN, 0, now);
        return;
    }
    point->place.used_at = now;
    if (!may_introduce(m, point, msg, now) || add_waiting(m, point, i) != OK) {
        end_introduce(m, i, MEETING_BUSY, point->effort, now);
        return;
    }
    m->stats.introduced++;
    pass_on(m, i, msg, now);
}

enum reason introduction_introduce(struct meeting *m, struct meeting_circuit *c,
                                   const struct meeting_message *msg,
                                   struct bytes text, uint64_t now)
{
    uint64_t said = meeting_mark(m, text);

    if (c->of_service || c->rendezvous != NULL)
        return REASON_PROTOCOL;
    if (c->introduce != NULL) {
        if (c->introduce->said != said)
            return REASON_PROTOCOL;
        repeat(m, c->introduce, msg, now);
        return REASON_UNKNOWN;
    }
    c->introduce = calloc(1, sizeof(*c->introduce));
    if (c->introduce == NULL)
        return REASON_FULL;
    c->introduce->circuit = c;
    c->introduce->said = said;
    first_time(m, c->introduce, msg, now);
    return REASON_UNKNOWN;
}

void introduction_circuit_gone(struct meeting *m, struct meeting_circuit *c,
                               uint64_t now)
{
    if (c->point != NULL)
        drop_point(m, c->point, now);
    if (c->introduce != NULL)
        unlink_introduce(m, c->introduce);
    free(c->introduce);
    c->introduce = NULL;
}
