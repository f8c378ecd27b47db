/* SPDX-License-Identifier: MIT
 *
 * Members of topics at an introduction point: found by who asks, and not pushed
 * out by who floods.
 */
#include "tunnel/meeting/topics.h"

#include "descriptor_data.h"
#include "fail_alloc.h"
#include "meeting/meeting_world.h"

#include "tunnel/record/topic.h"

struct topic_name {
    uint8_t b[TOPIC_BYTES];
};

static struct topic_name topic_named(unsigned n)
{
    return (struct topic_name){{(uint8_t)n, (uint8_t)(n >> 8), 1}};
}

static void enter(struct world *w, struct party *p, unsigned member,
                  unsigned topic)
{
    const struct topic_name name = topic_named(topic);
    const struct auth a = auth_of(member);
    uint8_t entry[MEETING_ENTRY_BYTES] = {(uint8_t)member,
                                          (uint8_t)(member >> 8)};

    establish(w, p, &a, name.b, entry);
}

/* A member with a circuit of its own network. */
static struct party *member_of(struct world *w, unsigned member, unsigned topic)
{
    struct party *p = party_of(w, member);

    enter(w, p, member, topic);
    assert_int_equal(p->last.status, MEETING_TAKEN);
    return p;
}

/* Asks on this circuit; the answer is its last. */
static const struct meeting_message *ask(struct world *w, struct party *p,
                                         unsigned topic)
{
    const struct topic_name name = topic_named(topic);
    const struct meeting_message m = {.type = MEETING_MEMBERS_ASK,
                                      .topic = name.b};

    assert_int_equal(say(w, p, &m), REASON_UNKNOWN);
    assert_int_equal(p->last.type, MEETING_MEMBERS);
    return &p->last;
}

static unsigned number_of(const struct meeting_member *m)
{
    unsigned n = m->entry[0] | (unsigned)m->entry[1] << 8;
    const struct auth a = auth_of(n);

    assert_memory_equal(m->auth_id, a.id, sizeof(a.id));
    return n;
}

/* Asks until nothing new has come for long; `seen` by number. Returns how many
 * were. */
static unsigned ask_all(struct world *w, unsigned topic, bool *seen,
                        unsigned cap)
{
    struct party *p = party_of(w, 15000);
    unsigned count = 0;

    memset(seen, 0, cap * sizeof(*seen));
    for (unsigned i = 0; i < 200; i++) {
        const struct meeting_message *m = ask(w, p, topic);

        for (unsigned j = 0; j < m->member_count; j++) {
            unsigned n = number_of(&m->members[j]);

            assert_true(n < cap);
            count += !seen[n];
            seen[n] = true;
        }
    }
    party_end(w, p);
    return count;
}

static void test_topics_members_are_drawn(void **state)
{
    const struct meeting_message *m;
    struct party *asker;
    bool seen[100];
    struct world w;

    (void)state;
    world_init(&w, 1);
    asker = party_of(&w, 500);
    assert_int_equal(ask(&w, asker, 1)->total, 0);
    for (unsigned i = 0; i < 30; i++)
        member_of(&w, i, 1);
    member_of(&w, 50, 2);
    m = ask(&w, asker, 1);
    assert_int_equal(m->total, 30);
    assert_int_equal(m->member_count, MEETING_MEMBERS_MAX);
    for (unsigned i = 0; i < m->member_count; i++)
        for (unsigned j = 0; j < i; j++)
            assert_true(number_of(&m->members[i]) != number_of(&m->members[j]));
    assert_int_equal(ask_all(&w, 1, seen, 100), 30);
    assert_false(seen[50]);
    m = ask(&w, asker, 2);
    assert_int_equal(m->total, 1);
    assert_int_equal(number_of(&m->members[0]), 50);
    world_deinit(&w);
}

/* An entry is renewed, moved to another topic, taken away, and goes with its
 * circuit. */
static void test_topics_entry_of_a_circuit(void **state)
{
    const struct topic_name name = topic_named(1);
    uint8_t entry[MEETING_ENTRY_BYTES] = {0};
    const struct auth a = auth_of(0);
    struct party *p, *asker;
    struct world w;

    (void)state;
    world_init(&w, 1);
    asker = party_of(&w, 500);
    p = member_of(&w, 0, 1);
    entry[9] = 9;
    establish(&w, p, &a, name.b, entry);
    assert_int_equal(ask(&w, asker, 1)->total, 1);
    assert_int_equal(ask(&w, asker, 1)->members[0].entry[9], 9);
    enter(&w, p, 0, 2);
    assert_int_equal(ask(&w, asker, 1)->total, 0);
    assert_int_equal(ask(&w, asker, 2)->total, 1);
    establish(&w, p, &a, NULL, NULL);
    assert_int_equal(ask(&w, asker, 2)->total, 0);
    assert_int_equal(world_stats(&w).topics, 0);
    enter(&w, p, 0, 1);
    party_end(&w, p);
    assert_int_equal(ask(&w, asker, 1)->total, 0);
    assert_int_equal(world_stats(&w).entries, 0);
    world_deinit(&w);
}

/* ---- The DHT ------------------------------------------------------------- */

/* Line 28: what is announced is made of the topic here, and ends with the last
 * member. */
static void test_topics_announced_while_there_are_members(void **state)
{
    const struct topic_name name = topic_named(1);
    struct party *first, *second;
    struct id expected;
    struct world w;

    (void)state;
    world_init(&w, 1);
    first = member_of(&w, 1, 1);
    world_run(&w, TIME_S);
    assert_int_equal(w.hash_count, 2);
    for (unsigned r = 0; r < TOPIC_REPLICAS; r++) {
        topic_hash(WORLD_NETWORK, name.b, r, &expected);
        assert_true(id_equal(&w.hashes[r], &expected));
        assert_memory_not_equal(w.hashes[r].b, name.b, ID_BYTES);
    }
    second = member_of(&w, 2, 1);
    party_end(&w, first);
    world_run(&w, TIME_HOUR);
    assert_int_equal(w.hash_count, 2);
    assert_int_equal(w.announced, 2);
    party_end(&w, second);
    assert_int_equal(w.hash_count, 0);
    world_run(&w, TIME_HOUR);
    assert_int_equal(w.announced, 2);
    assert_int_equal(meeting_next_deadline(w.m), TIME_NEVER);
    world_deinit(&w);
}

/* A DHT that has no place now is asked again. */
static void test_topics_announced_later(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 1);
    w.dht_error = ERR_FULL;
    member_of(&w, 1, 1);
    world_run(&w, TIME_S);
    assert_int_equal(w.hash_count, 0);
    w.dht_error = OK;
    world_run(&w, TOPIC_LOOK_EVERY);
    assert_int_equal(w.hash_count, 2);
    world_deinit(&w);
}

/* Tells what relay `n` says of itself, at its address. */
static void tell_relay(struct world *w, unsigned n, unsigned signer)
{
    const struct descriptor d = test_descriptor(n);
    const struct endpoint ep = test_relay_ep(n);
    uint8_t text[DESCRIPTOR_MAX];
    size_t len = test_descriptor_text(&d, signer, text);

    meeting_told(w->m, &ep, bytes_of(text, len), w->wall, w->now);
}

static void test_topics_name_other_points(void **state)
{
    const struct meeting_message *m;
    struct party *asker;
    bool seen[40] = {false};
    struct world w;
    unsigned count = 0;

    (void)state;
    world_init(&w, 1);
    for (unsigned i = 0; i < 30; i++)
        w.peers[i] = test_relay_ep(i);
    w.peer_count = 30;
    asker = party_of(&w, 500);
    member_of(&w, 1, 1);
    world_run(&w, TIME_S);
    assert_int_equal(w.tells, TOPIC_POINTS_MAX); /* each once */
    for (unsigned i = 0; i < 30; i++)
        tell_relay(&w, i, i);
    for (unsigned i = 0; i < 100; i++) {
        m = ask(&w, asker, 1);
        assert_int_equal(m->target_count, MEETING_TARGETS_MAX);
        for (unsigned j = 0; j < m->target_count; j++) {
            unsigned n = m->targets[j].endpoints[0].addr[1];
            const struct descriptor d = test_descriptor(n);

            assert_memory_equal(m->targets[j].identity, d.identity, 32);
            assert_memory_equal(m->targets[j].handshake_key, d.handshake_key,
                                32);
            count += !seen[n];
            seen[n] = true;
        }
    }
    assert_int_equal(count, TOPIC_POINTS_MAX);
    /* Those that do not answer any more are named no more. */
    world_run(&w, 2 * TOPIC_LOOK_EVERY + TIME_S);
    assert_int_equal(ask(&w, asker, 1)->target_count, 0);
    world_deinit(&w);
}

/* Only who answers for himself is named: not who is forged, has expired, says
 * that he is elsewhere, was not found, or is this relay. */
static void test_topics_name_no_liars(void **state)
{
    const struct descriptor d = test_descriptor(1);
    struct descriptor elsewhere = test_descriptor(2);
    const struct endpoint ep = test_relay_ep(2);
    uint8_t text[DESCRIPTOR_MAX];
    struct party *asker;
    struct world w;

    (void)state;
    world_prepare(&w, 1);
    memcpy(w.config.identity, test_descriptor(3).identity, 32);
    world_begin(&w);
    for (unsigned i = 0; i < 4; i++)
        w.peers[i] = test_relay_ep(i);
    w.peer_count = 4;
    asker = party_of(&w, 500);
    member_of(&w, 1, 1);
    world_run(&w, TIME_S);
    tell_relay(&w, 1, 2); /* another's signature */
    tell_relay(&w, 3, 3); /* ourselves */
    tell_relay(&w, 9, 9); /* not found */
    elsewhere.addresses[0] = d.addresses[0];
    meeting_told(w.m, &ep,
                 bytes_of(text, test_descriptor_text(&elsewhere, 2, text)),
                 w.wall, w.now);
    meeting_told(w.m, &w.peers[0], bytes_of(NULL, 0), w.wall, w.now);
    assert_int_equal(ask(&w, asker, 1)->target_count, 0);
    w.wall += 10 * (uint64_t)DESCRIPTOR_LIFETIME;
    tell_relay(&w, 1, 1); /* expired */
    w.wall -= 10 * (uint64_t)DESCRIPTOR_LIFETIME;
    assert_int_equal(ask(&w, asker, 1)->target_count, 0);
    tell_relay(&w, 1, 1);
    assert_int_equal(ask(&w, asker, 1)->target_count, 1);
    world_deinit(&w);
}

/* The directory has no place for all at once. */
static void test_topics_ask_when_there_is_room(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 1);
    for (unsigned i = 0; i < 8; i++)
        w.peers[i] = test_relay_ep(i);
    w.peer_count = 8;
    w.tell_error = ERR_FULL;
    member_of(&w, 1, 1);
    world_run(&w, 10 * TIME_S);
    assert_int_equal(w.tells, 0);
    w.tell_error = OK;
    world_run(&w, 2 * TIME_S);
    assert_int_equal(w.tells, 8);
    world_deinit(&w);
}

/* ---- Floods -------------------------------------------------------------- */

/* Line 26, the quarter rule: 1,000 fakes out of one network have a quarter, and
 * of the honest ones in the rest none is pushed out. */
static void test_topics_quarter_of_a_network(void **state)
{
    bool seen[2000];
    unsigned honest = 0;
    struct world w;

    (void)state;
    world_init(&w, 1);
    for (unsigned i = 0; i < 20; i++)
        member_of(&w, i, 1);
    for (unsigned i = 0; i < 1000; i++) {
        const struct endpoint ep =
            source_at(8, 8, (uint8_t)(i % 250), (uint8_t)(i / 250));

        w.now += TIME_S / 10;
        enter(&w, party_new(&w, &ep), 100 + i, 1);
    }
    assert_int_equal(world_stats(&w).entries, 20 + w.config.max_entries / 4);
    ask_all(&w, 1, seen, 2000);
    for (unsigned i = 0; i < 20; i++)
        honest += seen[i];
    assert_int_equal(honest, 20);
    world_deinit(&w);
}

/* From many networks: whoever comes is in it, and who goes is drawn at random,
 * not the oldest; so nobody knows whom he pushes out. */
static void test_topics_overflow(void **state)
{
    bool seen[3000];
    unsigned old = 0, max;
    struct world w;

    (void)state;
    world_init(&w, 1);
    max = w.config.max_entries;
    for (unsigned i = 0; i < max + 30; i++)
        member_of(&w, i, 1);
    assert_int_equal(world_stats(&w).entries, max);
    assert_int_equal(ask_all(&w, 1, seen, 3000), max);
    assert_true(seen[max + 29]);
    for (unsigned i = 0; i < 30; i++)
        old += seen[i];
    assert_in_range(old, 8, 28);
    /* Later a thousand fakes have it all, and yet a newcomer is found. */
    for (unsigned i = 0; i < 300; i++) {
        w.now += TIME_S / 10;
        member_of(&w, 100 + i, 1);
    }
    member_of(&w, 2000, 1);
    ask_all(&w, 1, seen, 3000);
    assert_true(seen[2000]);
    world_deinit(&w);
}

/* Line 7: one line makes 10,000 topics; others have theirs, and what is shared
 * by two makes way for nobody. */
static void test_topics_flood(void **state)
{
    const struct endpoint line = source_at(9, 9, 9, 9);
    struct party *asker;
    struct world w;

    (void)state;
    world_prepare(&w, 1);
    w.config.max_introductions = 4096;
    world_begin(&w);
    for (unsigned i = 0; i < 3; i++)
        member_of(&w, i, i);
    for (unsigned i = 0; i < 10000; i++) {
        w.now += TIME_S / 50;
        enter(&w, party_new(&w, &line), 100 + i, 100 + i);
    }
    assert_in_range(world_stats(&w).topics, w.config.max_topics * 3 / 4,
                    w.config.max_topics * 3 / 4 + 3);
    for (unsigned i = 0; i < 300; i++) {
        const struct endpoint ep = source_at(8, 8, (uint8_t)(i % 250), 1);

        w.now += TIME_S / 50;
        enter(&w, party_new(&w, &ep), 11000 + i, 11000 + i);
    }
    assert_int_equal(world_stats(&w).topics, w.config.max_topics);
    member_of(&w, 50, 50);
    asker = party_of(&w, 500);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ask(&w, asker, i)->total, 1);
    assert_int_equal(ask(&w, asker, 50)->total, 1);
    world_deinit(&w);
}

static void test_topics_without_memory(void **state)
{
    unsigned n;

    (void)state;
    for (n = 1;; n++) {
        struct party *p;
        struct world w;
        bool failed;

        world_init(&w, 1);
        w.peers[0] = test_relay_ep(0);
        w.peer_count = 1;
        p = party_of(&w, 1);
        fail_alloc_at(n);
        enter(&w, p, 1, 1);
        world_run(&w, TIME_S);
        tell_relay(&w, 0, 0);
        failed = fail_alloc_end();
        enter(&w, p, 1, 1);
        assert_int_equal(p->last.status, MEETING_TAKEN);
        assert_int_equal(ask(&w, party_of(&w, 2), 1)->total, 1);
        world_deinit(&w);
        assert_int_equal(w.hash_count, 0);
        if (!failed)
            break;
    }
    assert_in_range(n, 8, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topics_members_are_drawn),
        cmocka_unit_test(test_topics_entry_of_a_circuit),
        cmocka_unit_test(test_topics_announced_while_there_are_members),
        cmocka_unit_test(test_topics_announced_later),
        cmocka_unit_test(test_topics_name_other_points),
        cmocka_unit_test(test_topics_name_no_liars),
        cmocka_unit_test(test_topics_ask_when_there_is_room),
        cmocka_unit_test(test_topics_quarter_of_a_network),
        cmocka_unit_test(test_topics_overflow),
        cmocka_unit_test(test_topics_flood),
        cmocka_unit_test(test_topics_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
