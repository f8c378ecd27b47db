/* SPDX-License-Identifier: MIT
 *
 * An inquiry in a stem_world: the relays are points whose answers a test gives,
 * and so are those of the lookup.
 */
#include "../stem/stem_world.h"
#include "fail_alloc.h"

#include "tunnel/swarm/inquiry.h"

#define PERIOD    21990
#define POINTS    15
#define FOUND_MAX 64

/* What a relay says when it is asked for members. */
enum manner {
    HONEST,
    SILENT,
    REFUSES,
    FAKES,
    FRIENDS,
    OTHERS,
    COPIES,
    OLD,
    EAGER
};

struct scene {
    struct world w; /* first */
    struct inquiry *q;
    struct stem_kit *kit;
    uint8_t root[32], key[32], topic[32];
    enum manner manner[NET_NODES];
    unsigned members; /* of the string, each at two points */
    unsigned asked[NET_NODES];
    unsigned fake;            /* the next one */
    unsigned seen, seen_fake; /* entries told */
    bool known[256];
    unsigned news;
    uint64_t origins[FOUND_MAX];
    unsigned origin_count;
    /* The lookup. */
    struct finder_handler handler;
    uint64_t request;
    unsigned lookups, cancelled;
    bool found[NET_NODES]; /* by it */
};

static struct scene *scene;

/* ---- The finder, scripted ----------------------------------------------- */

enum error finder_points(struct finder *f, struct stem_kit *kit,
                         const struct id hashes[2], unsigned max,
                         const struct finder_handler *handler, uint64_t now,
                         uint64_t *request)
{
    struct id expected;

    (void)f, (void)now;
    assert_ptr_equal(kit, scene->kit);
    assert_int_equal(max, INQUIRY_FOUND);
    topic_hash(TEST_NETWORK, scene->topic, 1, &expected);
    assert_memory_equal(&hashes[1], &expected, sizeof(expected));
    scene->handler = *handler;
    *request = scene->request = ++scene->lookups;
    return OK;
}

void finder_cancel(struct finder *f, uint64_t request, uint64_t now)
{
    (void)f, (void)now;
    assert_int_equal(request, scene->request);
    scene->request = 0;
    scene->cancelled++;
}

static void answer_lookup(struct scene *s)
{
    uint64_t request = s->request, now = s->w.net->now;

    s->request = 0;
    for (unsigned n = 1; n <= s->w.relays; n++) {
        struct link_target t = net_target(&s->w.net->node[n]);

        if (s->found[n])
            s->handler.point(s->handler.ctx, request, &t, now);
    }
    s->handler.done(s->handler.ctx, request, FINDER_FOUND, 0, now);
}

/* ---- Points ------------------------------------------------------------- */

static void seal(const struct scene *s, unsigned n, uint8_t first,
                 unsigned number, uint32_t issued,
                 uint8_t auth_id[AUTH_ID_BYTES], uint8_t out[ENTRY_BYTES])
{
    const uint8_t nonce[ENTRY_NONCE_BYTES] = {first, (uint8_t)number};
    struct entry e = {.issued = issued};
    struct entry_place place;

    memset(auth_id, first, AUTH_ID_BYTES);
    auth_id[1] = (uint8_t)number;
    memcpy(place.auth_id, auth_id, sizeof(place.auth_id));
    memcpy(place.relay, s->w.net->node[n].identity, sizeof(place.relay));
    memcpy(place.topic, s->topic, sizeof(place.topic));
    e.member[0] = first;
    bytes_put_number(e.member + 1, 4, number);
    entry_seal(s->key, &place, &e, nonce, out);
}

static void say_members(struct scene *s, unsigned n, struct transit *relay,
                        enum manner manner)
{
    uint8_t auth[MEETING_MEMBERS_MAX][AUTH_ID_BYTES];
    uint8_t entry[MEETING_MEMBERS_MAX][ENTRY_BYTES];
    struct meeting_message m = {.type = MEETING_MEMBERS};
    uint32_t now = (uint32_t)world_wall(&s->w);
    unsigned at = n;

    if (manner == COPIES) /* what lies at another point */
        at = n % POINTS + 1;
    if (manner == OLD)
        now -= ENTRY_AGE + 1;

    for (unsigned i = 0; i < 8 && manner == FAKES; i++, m.member_count++)
        seal(s, at, 0xf0, s->fake++, now, auth[i], entry[i]);
    for (unsigned i = 0; i < s->members && manner != FAKES; i++) {
        if (i % POINTS != n - 1 && (i + 1) % POINTS != n - 1)
            continue;
        seal(s, at, 0x01, i, now, auth[m.member_count], entry[m.member_count]);
        m.member_count++;
    }
    m.total = manner == FAKES ? 1000 : m.member_count;
    for (uint8_t i = 0; i < m.member_count; i++)
        m.members[i] = (struct meeting_member){auth[i], entry[i]};
    for (unsigned i = 0; i < 4 && manner == OTHERS; i++) {
        struct link_target t =
            net_target(&s->w.net->node[1 + (n + i) % POINTS]);
        struct relay_target *to = &m.targets[m.target_count++];

        *to = (struct relay_target){.endpoint_count = 1, .endpoints = {t.ep}};
        memcpy(to->identity, t.identity, 32);
        memcpy(to->handshake_key, t.handshake_key, 32);
    }
    for (unsigned i = 0; i < 4 && manner == FRIENDS; i++) {
        struct relay_target *to = &m.targets[m.target_count++];
        unsigned k = s->fake++;

        *to = (struct relay_target){
            .endpoint_count = 1,
            .endpoints = {test_ep4((uint8_t)(20 + k % 100), (uint8_t)(k / 100),
                                   1, 1, 7881)}};
        memset(to->identity, 0xee, 32);
        bytes_put_number(to->identity, 4, k);
        memset(to->handshake_key, 9, 32);
    }
    world_say(&s->w, n, relay, &m);
    if (manner == EAGER) /* what was not asked for */
        world_say(&s->w, n, relay, &m);
}

static enum reason serve(struct world *w, unsigned n, struct transit *relay,
                         const struct meeting_message *m)
{
    struct scene *s = (struct scene *)w;

    assert_int_equal(m->type, MEETING_MEMBERS_ASK);
    assert_memory_equal(m->topic, s->topic, TOPIC_BYTES);
    s->asked[n]++;
    if (s->manner[n] == REFUSES)
        return REASON_PROTOCOL;
    if (s->manner[n] != SILENT)
        say_members(s, n, relay, s->manner[n]);
    return REASON_UNKNOWN;
}

/* ---- The inquiry -------------------------------------------------------- */

static bool on_entry(void *ctx, const uint8_t member[NOISE_KEY_BYTES],
                     const struct crowd_place *place, uint64_t now)
{
    struct scene *s = ctx;
    unsigned number = (unsigned)bytes_get_number(member + 1, 4);
    unsigned i = 0;

    (void)now;
    assert_int_equal(place->period, PERIOD);
    while (i < s->origin_count && s->origins[i] != place->origin)
        i++;
    assert_true(i < FOUND_MAX);
    s->origins[i] = place->origin;
    s->origin_count += i == s->origin_count;
    if (member[0] == 0xf0) {
        s->seen_fake++;
        return true;
    }
    s->seen++;
    assert_true(number < 256);
    s->news += !s->known[number];
    if (s->known[number])
        return false;
    s->known[number] = true;
    return true;
}

static void known_target(void *ctx, const uint8_t identity[32],
                         struct relay_target *out)
{
    const struct scene *s = ctx;
    const struct known_relay *relay = directory_find(s->w.h.d, identity);

    if (relay != NULL)
        memcpy(out->handshake_key, relay->d.handshake_key, 32);
}

static bool link_target(void *ctx, const uint8_t last[32],
                        const struct relay_target *t, struct link_target *out)
{
    (void)ctx, (void)last;
    memcpy(out->identity, t->identity, sizeof(out->identity));
    memcpy(out->handshake_key, t->handshake_key, sizeof(out->handshake_key));
    out->ep = t->endpoints[0];
    return true;
}

static uint64_t scene_next(const struct world *w)
{
    const struct scene *s = (const struct scene *)w;

    return s->request != 0 ? 0 : inquiry_deadline(s->q);
}

static void scene_tick(struct world *w)
{
    struct scene *s = (struct scene *)w;

    if (s->request != 0)
        answer_lookup(s);
    inquiry_tick(s->q, world_wall(w), w->net->now);
}

static void scene_stems(struct world *w, struct stem_kit *kit)
{
    struct scene *s = (struct scene *)w;

    assert_ptr_equal(kit, s->kit);
    inquiry_stems(s->q, w->net->now);
}

static struct inquiry_env scene_env(struct scene *s)
{
    struct inquiry_env env = {.ctx = s,
                              .random = test_source(&s->w.h.random),
                              .circuits = world_circuits(&s->w),
                              .kit = s->kit,
                              .own_relay = s->w.net->node[0].identity,
                              .known_target = known_target,
                              .link_target = link_target,
                              .entry = on_entry};

    memcpy(env.network, TEST_NETWORK, sizeof(TEST_NETWORK));
    return env;
}

static void begin(struct scene *s, uint64_t seed)
{
    struct inquiry_env env;

    scene = s;
    *s = (struct scene){.members = 40};
    world_init(&s->w, seed, WORLD_RELAYS);
    s->w.serve = serve;
    memset(s->root, 7, sizeof(s->root));
    topic_of(s->root, PERIOD, s->topic);
    topic_entry_key(s->root, PERIOD, s->key);
    assert_int_equal(stem_kit_new(s->w.stems, 2, NULL, s, &s->kit), OK);
    env = scene_env(s);
    assert_int_equal(inquiry_new(&env, s->root, PERIOD, world_wall(&s->w),
                                 s->w.net->now, &s->q),
                     OK);
    s->w.next = scene_next;
    s->w.tick = scene_tick;
    s->w.on_ready = scene_stems;
}

static void end(struct scene *s)
{
    inquiry_free(s->q, s->w.net->now);
    stem_kit_free(s->kit, s->w.net->now);
    world_deinit(&s->w);
}

static struct inquiry_status status_of(const struct scene *s)
{
    struct inquiry_status q;

    inquiry_status(s->q, &q);
    return q;
}

static void find_points(struct scene *s, unsigned from, unsigned to)
{
    for (unsigned n = from; n <= to; n++)
        s->found[n] = true;
}

/* ---- Tests -------------------------------------------------------------- */

static void test_inquiry_finds_members(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, 1);
    find_points(&s, 1, POINTS);
    world_run(&s.w, 10 * TIME_S);
    assert_int_equal(s.news, 40);
    assert_int_equal(status_of(&s).points, POINTS);
    assert_int_equal(status_of(&s).answered, POINTS);
    assert_int_equal(status_of(&s).entries, 80);
    assert_int_equal(status_of(&s).forged + status_of(&s).stale, 0);
    assert_int_equal(s.origin_count, POINTS);
    end(&s);
}

/* The DHT names one; the rest is found by what points say of each other. */
static void test_inquiry_follows_what_points_name(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, 2);
    s.found[3] = true;
    for (unsigned n = 1; n <= POINTS; n++)
        s.manner[n] = OTHERS;
    world_run(&s.w, 20 * TIME_S);
    assert_int_equal(s.news, 40);
    assert_int_equal(status_of(&s).points, POINTS);
    assert_int_equal(s.origin_count, 1); /* all by the word of one */
    end(&s);
}

/* A third of the points names whoever it makes up, or its friends; another one
 * says nothing. The rest is found all the same. */
static void test_inquiry_among_hostile_points(void **state)
{
    struct scene s;
    struct inquiry_status q;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        begin(&s, seed);
        find_points(&s, 1, POINTS);
        s.manner[1] = s.manner[7] = FAKES;
        s.manner[4] = s.manner[10] = FRIENDS;
        s.manner[13] = SILENT;
        world_run(&s.w, TIME_MIN);
        q = status_of(&s);
        assert_in_range(s.news, 32, 40);
        assert_in_range(q.points, POINTS - 1,
                        POINTS + 2 * (INQUIRY_POINTS / CROWD_SHARE));
        assert_true(q.asked < 32 + 2 * 60); /* whatever they say */
        end(&s);
    }
}

/* Entries that were copied from elsewhere, or are too old, are worth nothing,
 * and an answer counts once. */
static void test_inquiry_believes_no_copies(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, 7);
    find_points(&s, 1, 3);
    s.manner[1] = COPIES;
    s.manner[2] = OLD;
    s.manner[3] = EAGER;
    world_run(&s.w, 2 * TIME_S);
    assert_true(status_of(&s).forged > 0);
    assert_true(status_of(&s).stale > 0);
    assert_int_equal(s.origin_count, 1); /* the third */
    assert_int_equal(s.seen % s.news, 0);
    assert_int_equal(s.seen / s.news, s.asked[3]);
    end(&s);
}

/* Later each time while there is nothing new; at once again when peers were
 * lost, but not over and over. */
static void test_inquiry_slows_down(void **state)
{
    struct scene s;
    uint64_t asked, lookups;

    (void)state;
    begin(&s, 4);
    find_points(&s, 1, 4);
    world_run(&s.w, 2 * TIME_HOUR);
    asked = status_of(&s).asked;
    lookups = status_of(&s).lookups;
    world_run(&s.w, TIME_HOUR);
    assert_in_range(status_of(&s).asked - asked, 4 * 4, 4 * 9);
    assert_in_range(status_of(&s).lookups - lookups, 2, 7);
    asked = status_of(&s).asked;
    for (unsigned i = 0; i < 20; i++) {
        inquiry_hurry(s.q, s.w.net->now);
        world_run(&s.w, TIME_S);
    }
    assert_in_range(status_of(&s).asked - asked, 4, 4 * 6);
    inquiry_rest(s.q, true); /* enough peers: nothing hurries */
    world_run(&s.w, TIME_MIN);
    asked = status_of(&s).asked;
    inquiry_hurry(s.q, s.w.net->now);
    world_run(&s.w, TIME_MIN);
    assert_in_range(status_of(&s).asked - asked, 0, 4);
    end(&s);
}

/* Those that fail are tried again, and given up. */
static void test_inquiry_gives_points_up(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, 5);
    s.found[1] = s.found[2] = true;
    s.manner[1] = SILENT;
    s.manner[2] = REFUSES;
    world_run(&s.w, 3 * TIME_S);
    s.found[1] = s.found[2] = false;
    world_run(&s.w, 10 * TIME_MIN);
    assert_int_equal(status_of(&s).points, 0);
    assert_true(s.asked[1] >= 4 && s.asked[2] >= 4);
    assert_int_equal(s.news, 0);
    end(&s);
}

static void test_inquiry_without_memory(void **state)
{
    struct scene s;
    struct inquiry_env env;
    struct inquiry *q;

    (void)state;
    begin(&s, 6);
    env = scene_env(&s);
    fail_alloc_at(1);
    assert_int_equal(inquiry_new(&env, s.root, PERIOD, 0, 0, &q),
                     ERR_NO_MEMORY);
    assert_true(fail_alloc_end());
    inquiry_tick(s.q, world_wall(&s.w), s.w.net->now);
    end(&s); /* in the middle of a lookup */
    assert_int_equal(s.cancelled, 1);
    inquiry_free(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inquiry_finds_members),
        cmocka_unit_test(test_inquiry_follows_what_points_name),
        cmocka_unit_test(test_inquiry_among_hostile_points),
        cmocka_unit_test(test_inquiry_believes_no_copies),
        cmocka_unit_test(test_inquiry_slows_down),
        cmocka_unit_test(test_inquiry_gives_points_up),
        cmocka_unit_test(test_inquiry_without_memory),
    };

    return cmocka_run_group_tests_name("inquiry", tests, NULL, NULL);
}
