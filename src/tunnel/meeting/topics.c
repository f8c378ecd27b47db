/* SPDX-License-Identifier: MIT
 *
 * Topics by name, their members in an array each, and the search for other
 * points, which goes in rounds: lookups of both keys, then questions to the
 * endpoints found, a few at a time.
 *
 *     at `look_at` -> lookups run -> `found` is asked, one after the other
 */
#include "tunnel/meeting/topics.h"

#include "tunnel/directory/descriptor.h"
#include "tunnel/meeting/introduction.h"
#include "tunnel/record/topic.h"

#include <stdlib.h>
#include <string.h>

#define ASK_AGAIN TIME_S /* the directory has no place for more */

struct member {
    struct introduction *point;
    struct topic *topic;
    size_t at;
    uint8_t entry[MEETING_ENTRY_BYTES];
};

/* Another relay that has members of the topic. */
struct other_point {
    struct relay_target target;
    unsigned round; /* in which it answered last */
};

struct topic {
    struct keyed_entry by_name;
    struct place place;
    uint64_t serial; /* names it to the DHT */
    uint8_t name[TOPIC_BYTES];
    bool announced[TOPIC_REPLICAS];
    struct member **members;
    unsigned count, cap;
    uint64_t look_at;
    unsigned round;
    uint64_t request[TOPIC_REPLICAS]; /* lookups that run; else 0 */
    bool running[TOPIC_REPLICAS];
    struct endpoint found[TOPIC_POINTS_MAX];
    uint8_t found_count, asked_count; /* of this round */
    struct other_point others[TOPIC_POINTS_MAX];
    uint8_t other_count;
};

static struct topic *of_place(struct place *place)
{
    size_t offset = offsetof(struct topic, place);

    return (struct topic *)(void *)((uint8_t *)place - offset);
}

static struct bytes name_of(const struct keyed_entry *e)
{
    const struct topic *t = (const void *)e;

    return bytes_of(t->name, sizeof(t->name));
}

void topics_init(struct meeting *m)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    m->env.random.fill(m->env.random.ctx, secret, sizeof(secret));
    keyed_table_init(&m->topic_by_name, SIZE_MAX, name_of, secret);
    places_init(&m->topics, m->config.max_topics, m->config.testing_network,
                &m->env.random);
}

void topics_deinit(struct meeting *m)
{
    places_deinit(&m->topics);
}

size_t topics_memory(const struct meeting *m)
{
    size_t sum = places_memory(&m->topics) +
                 keyed_table_memory(&m->topic_by_name) +
                 m->entries * sizeof(struct member);

    for (size_t i = 0; i < m->topics.count; i++)
        sum += sizeof(struct topic) +
               of_place(m->topics.all[i])->cap * sizeof(struct member *);
    return sum;
}

static struct topic *find(const struct meeting *m, const uint8_t *name)
{
    return (void *)keyed_table_find(&m->topic_by_name,
                                    bytes_of(name, TOPIC_BYTES));
}

/* ---- The DHT ------------------------------------------------------------ */

static uint64_t cookie_of(const struct topic *t, unsigned replica)
{
    return TOPIC_REPLICAS * t->serial + replica;
}

static struct topic *by_cookie(const struct meeting *m, uint64_t cookie)
{
    for (size_t i = 0; i < m->topics.count; i++) {
        struct topic *t = of_place(m->topics.all[i]);

        if (t->serial == cookie / TOPIC_REPLICAS)
            return t;
    }
    return NULL;
}

static void announce(const struct meeting *m, struct topic *t)
{
    const struct dht_provider *dht = m->env.dht;
    struct id hash;

    for (unsigned r = 0; dht != NULL && r < TOPIC_REPLICAS; r++) {
        if (t->announced[r])
            continue;
        topic_hash(m->config.network, t->name, r, &hash);
        t->announced[r] = dht->announce(dht->ctx, &hash) == OK;
    }
}

static void withdraw(const struct meeting *m, struct topic *t)
{
    const struct dht_provider *dht = m->env.dht;
    struct id hash;

    for (unsigned r = 0; r < TOPIC_REPLICAS; r++) {
        if (t->running[r])
            dht->cancel(dht->ctx, t->request[r]);
        if (!t->announced[r])
            continue;
        topic_hash(m->config.network, t->name, r, &hash);
        dht->withdraw(dht->ctx, &hash);
    }
}

/* Each endpoint once; of more than there is room for, the first ones. */
static void on_peer(void *ctx, uint64_t cookie, const struct endpoint *peer)
{
    struct meeting *m = ctx;
    struct topic *t = by_cookie(m, cookie);

    if (t == NULL || t->found_count == TOPIC_POINTS_MAX)
        return;
    for (uint8_t i = 0; i < t->found_count; i++)
        if (endpoint_equal(&t->found[i], peer))
            return;
    t->found[t->found_count++] = *peer;
    meeting_wake(m, 0);
}

static void on_done(void *ctx, uint64_t cookie, enum error e)
{
    struct meeting *m = ctx;
    struct topic *t = by_cookie(m, cookie);

    (void)e;
    if (t != NULL)
        t->running[cookie % TOPIC_REPLICAS] = false;
}

static void look_up(struct meeting *m, struct topic *t)
{
    const struct dht_provider *dht = m->env.dht;

    for (unsigned r = 0; r < TOPIC_REPLICAS; r++) {
        const struct dht_provider_handler handler = {.ctx = m,
                                                     .cookie = cookie_of(t, r),
                                                     .peer = on_peer,
                                                     .done = on_done};
        struct id hash;

        if (t->running[r])
            continue;
        topic_hash(m->config.network, t->name, r, &hash);
        t->running[r] = true;
        if (dht->get_peers(dht->ctx, &hash, &handler, &t->request[r]) != OK)
            t->running[r] = false;
    }
}

/* ---- Other points ------------------------------------------------------- */

/* Those that did not answer in the last round are forgotten. */
static void forget_others(struct topic *t)
{
    for (uint8_t i = t->other_count; i-- > 0;) {
        if (t->others[i].round + 1 < t->round)
            t->others[i] = t->others[--t->other_count];
    }
}

static void begin_round(struct meeting *m, struct topic *t, uint64_t now)
{
    uint64_t fifth = TOPIC_LOOK_EVERY / 5;

    t->look_at = now + TOPIC_LOOK_EVERY -
                 random_below(&m->env.random, 1000) * (fifth / 1000);
    t->round++;
    t->found_count = t->asked_count = 0;
    forget_others(t);
    if (m->env.dht == NULL)
        return;
    announce(m, t);
    look_up(m, t);
}

/* True when all were asked. */
static bool ask_found(struct meeting *m, struct topic *t, uint64_t now)
{
    while (t->asked_count < t->found_count) {
        const struct endpoint ep = t->found[t->asked_count];
        enum error e = m->env.tell(m->env.ctx, &ep, m->wall, now);

        if (e == ERR_FULL)
            return false;
        t->asked_count++;
    }
    return true;
}

void topics_tick(struct meeting *m, uint64_t now)
{
    for (size_t i = 0; i < m->topics.count; i++) {
        struct topic *t = of_place(m->topics.all[i]);

        if (t->look_at <= now)
            begin_round(m, t, now);
        if (!ask_found(m, t, now))
            meeting_wake(m, now + ASK_AGAIN);
        meeting_wake(m, t->look_at);
    }
}

static void add_endpoint(const struct meeting *m, const struct descriptor *d,
                         enum family f, struct relay_target *out)
{
    for (uint8_t i = 0; i < d->address_count; i++) {
        const struct endpoint *ep = &d->addresses[i];

        if (ep->family != f ||
            (!m->config.testing_network && !endpoint_is_global(ep)))
            continue;
        out->endpoints[out->endpoint_count++] = *ep;
        return;
    }
}

static bool lists(const struct descriptor *d, const struct endpoint *ep)
{
    for (uint8_t i = 0; i < d->address_count; i++)
        if (endpoint_equal(&d->addresses[i], ep))
            return true;
    return false;
}

/* The relay at `ep`, from what it says of itself. */
static bool read_target(const struct meeting *m, const struct endpoint *ep,
                        struct bytes text, struct relay_target *out)
{
    struct descriptor d;

    if (descriptor_read(text, m->config.network, &d) != OK ||
        descriptor_check_time(&d, m->wall) != OK || !lists(&d, ep) ||
        (d.roles & ROLE_RELAY) == 0 ||
        memcmp(d.identity, m->config.identity, 32) == 0 ||
        descriptor_verify(text, &d) != OK)
        return false;
    *out = (struct relay_target){.endpoint_count = 0};
    memcpy(out->identity, d.identity, sizeof(out->identity));
    memcpy(out->handshake_key, d.handshake_key, sizeof(out->handshake_key));
    add_endpoint(m, &d, FAMILY_IPV4, out);
    add_endpoint(m, &d, FAMILY_IPV6, out);
    return out->endpoint_count > 0;
}

static void keep_target(struct topic *t, const struct relay_target *target)
{
    uint8_t i = 0;

    while (i < t->other_count &&
           memcmp(t->others[i].target.identity, target->identity, 32) != 0)
        i++;
    if (i == TOPIC_POINTS_MAX)
        return;
    t->others[i] = (struct other_point){*target, t->round};
    if (i == t->other_count)
        t->other_count++;
}

static bool has_found(const struct topic *t, const struct endpoint *ep)
{
    for (uint8_t i = 0; i < t->found_count; i++)
        if (endpoint_equal(&t->found[i], ep))
            return true;
    return false;
}

void topics_told(struct meeting *m, const struct endpoint *ep,
                 struct bytes text)
{
    struct relay_target target;
    bool read = false;

    for (size_t i = 0; i < m->topics.count; i++) {
        struct topic *t = of_place(m->topics.all[i]);

        if (!has_found(t, ep))
            continue;
        if (!read && !read_target(m, ep, text, &target))
            return;
        read = true;
        keep_target(t, &target);
    }
}

/* ---- Members ------------------------------------------------------------ */

static void drop_topic(struct meeting *m, struct topic *t)
{
    withdraw(m, t);
    keyed_table_remove(&m->topic_by_name, &t->by_name);
    places_remove(&m->topics, &t->place);
    free(t->members);
    free(t);
}

static void remove_member(struct meeting *m, struct member *member)
{
    struct topic *t = member->topic;

    t->members[member->at] = t->members[--t->count];
    t->members[member->at]->at = member->at;
    member->point->member = NULL;
    m->entries--;
    free(member);
    t->place.is_kept = t->count > 1;
}

void topics_leave(struct meeting *m, struct introduction *point)
{
    struct topic *t;

    if (point->member == NULL)
        return;
    t = point->member->topic;
    remove_member(m, point->member);
    if (t->count == 0)
        drop_topic(m, t);
}

static enum error add_topic(struct meeting *m, struct topic *t,
                            const struct endpoint *source, uint64_t now)
{
    enum error e = keyed_table_add(&m->topic_by_name, &t->by_name);

    if (e != OK)
        return e;
    e = places_add(&m->topics, &t->place, source, now);
    if (e != OK)
        keyed_table_remove(&m->topic_by_name, &t->by_name);
    return e;
}

/* With nobody in it yet. A topic with one member may have to make way. */
static enum error new_topic(struct meeting *m, const uint8_t *name,
                            const struct endpoint *source, uint64_t now,
                            struct topic **out)
{
    struct place *way;
    struct topic *t;

    if (!places_find(&m->topics, source, now, &way))
        return ERR_FULL;
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        return ERR_NO_MEMORY;
    if (way != NULL)
        introduction_make_way(m, of_place(way)->members[0]->point, now);
    memcpy(t->name, name, sizeof(t->name));
    t->serial = ++m->next_serial;
    if (add_topic(m, t, source, now) != OK) {
        free(t);
        return ERR_NO_MEMORY;
    }
    t->look_at = now;
    meeting_wake(m, now);
    *out = t;
    return OK;
}

static const struct endpoint *source_of_member(const struct member *member)
{
    return &member->point->place.source;
}

/* One, drawn at random, of the source's network or of all. */
static struct member *draw(struct meeting *m, struct topic *t,
                           const struct endpoint *source, unsigned among)
{
    unsigned n = random_below(&m->env.random, among);

    for (unsigned i = 0; i < t->count; i++) {
        if (source != NULL && !source_same(source_of_member(t->members[i]),
                                           source, SOURCE_NETWORK))
            continue;
        if (n-- == 0)
            return t->members[i];
    }
    return NULL; /* not reached */
}

/* Makes room for one of this source. */
static void make_room(struct meeting *m, struct topic *t,
                      const struct endpoint *source)
{
    unsigned max = m->config.max_entries, alike = 0;

    for (unsigned i = 0; i < t->count && !m->config.testing_network; i++)
        alike += source_same(source_of_member(t->members[i]), source,
                             SOURCE_NETWORK);
    if (alike > 0 && alike >= max / 4)
        remove_member(m, draw(m, t, source, alike));
    else if (t->count >= max)
        remove_member(m, draw(m, t, NULL, t->count));
}

static enum error grow(struct topic *t)
{
    unsigned cap = t->cap == 0 ? 4 : 2 * t->cap;
    struct member **grown;

    if (t->count < t->cap)
        return OK;
    grown = realloc(t->members, cap * sizeof(struct member *));
    if (grown == NULL)
        return ERR_NO_MEMORY;
    t->members = grown;
    t->cap = cap;
    return OK;
}

static enum error add_member(struct meeting *m, struct topic *t,
                             struct introduction *point, const uint8_t *entry)
{
    struct member *member;

    if (grow(t) != OK)
        return ERR_NO_MEMORY;
    member = calloc(1, sizeof(*member));
    if (member == NULL)
        return ERR_NO_MEMORY;
    make_room(m, t, &point->place.source);
    *member = (struct member){.point = point, .topic = t, .at = t->count};
    memcpy(member->entry, entry, sizeof(member->entry));
    t->members[t->count++] = member;
    t->place.is_kept = t->count > 1;
    point->member = member;
    m->entries++;
    return OK;
}

enum error topics_enter(struct meeting *m, struct introduction *point,
                        const uint8_t *name, const uint8_t *entry, uint64_t now)
{
    struct topic *t = find(m, name);
    enum error e = OK;

    if (point->member != NULL && point->member->topic == t) {
        memcpy(point->member->entry, entry, MEETING_ENTRY_BYTES);
        t->place.used_at = now;
        return OK;
    }
    topics_leave(m, point);
    if (t == NULL)
        e = new_topic(m, name, &point->place.source, now, &t);
    if (e == OK)
        e = add_member(m, t, point, entry);
    if (e == OK)
        t->place.used_at = now;
    else if (t != NULL && t->count == 0)
        drop_topic(m, t);
    return e;
}

/* ---- Answers ------------------------------------------------------------ */

/* The first of `count` things after this are drawn at random (Durstenfeld). */
static unsigned pick(const struct meeting *m, unsigned i, unsigned count)
{
    return i + random_below(&m->env.random, count - i);
}

static void name_members(struct meeting *m, struct topic *t,
                         struct meeting_message *out)
{
    out->total = t->count;
    while (out->member_count < MEETING_MEMBERS_MAX &&
           out->member_count < t->count) {
        uint8_t i = out->member_count++;
        unsigned j = pick(m, i, t->count);
        struct member *drawn = t->members[j];

        t->members[j] = t->members[i];
        t->members[j]->at = j;
        t->members[i] = drawn;
        drawn->at = i;
        out->members[i] =
            (struct meeting_member){drawn->point->auth_id, drawn->entry};
    }
}

static void name_others(struct meeting *m, struct topic *t,
                        struct meeting_message *out)
{
    while (out->target_count < MEETING_TARGETS_MAX &&
           out->target_count < t->other_count) {
        uint8_t i = out->target_count++;
        unsigned j = pick(m, i, t->other_count);
        struct other_point drawn = t->others[j];

        t->others[j] = t->others[i];
        t->others[i] = drawn;
        out->targets[i] = drawn.target;
    }
}

enum reason topics_ask(struct meeting *m, struct meeting_circuit *c,
                       const struct meeting_message *msg, uint64_t now)
{
    struct topic *t = find(m, msg->topic);
    struct meeting_message answer = {.type = MEETING_MEMBERS};

    if (c->of_service || c->rendezvous != NULL)
        return REASON_PROTOCOL;
    if (t != NULL) {
        name_members(m, t, &answer);
        name_others(m, t, &answer);
    }
    m->stats.members_told++;
    meeting_say(m, c, &answer, now);
    return REASON_UNKNOWN;
}
