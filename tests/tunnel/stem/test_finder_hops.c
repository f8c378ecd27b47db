/* SPDX-License-Identifier: MIT
 *
 * Which hops see what, and what they may say of points.
 */
#include "finder_world.h"

/* ---- Puts ---------------------------------------------------------------- */

static void test_finder_puts(void **state)
{
    struct vanguard_set third = {.third = true};
    struct finder_item item;
    struct finder_handler h;
    struct stem_kit *kit;
    struct dht d;

    (void)state;
    begin(&d, 20, 20);
    kit = kit_new(&d, &third);
    put(&d, kit, 500, 0, 3);
    assert_int_equal(d.end, FINDER_FOUND);
    assert_int_equal(d.stored, 8);
    assert_int_equal(d.stored_seq, 3);
    assert_int_equal(d.puts, 1);
    for (unsigned n = 1; n <= 20; n++)
        d.manner[n] = SAYS_NO;
    put(&d, kit, 500, 0, 4);
    assert_int_equal(d.end, FINDER_REFUSED);
    assert_int_equal(d.stored, 0);
    assert_int_equal(d.puts, 1 + FINDER_CIRCUITS);
    item = make_item(&d, 500, 0, 4, 0);
    item.value.len--;
    h = handler(&d);
    assert_int_equal(finder_put(d.f, kit, &item, &h, d.w.net->now, &d.request),
                     ERR_TOO_LARGE);
    end(&d);
}

/* Whoever put it is not asked for it. */
static void verify(struct dht *d, struct stem_kit *kit, unsigned key)
{
    uint32_t put_by[NET_NODES], saw[NET_NODES];

    memcpy(put_by, d->put_by, sizeof(put_by));
    memcpy(saw, d->saw, sizeof(saw));
    get(d, kit, key);
    assert_int_equal(d->end, FINDER_FOUND);
    for (unsigned n = 1; n < NET_NODES; n++) {
        assert_int_equal(d->saw[n] & put_by[n], 0);
        d->saw[n] |= saw[n];
    }
}

/* Line 24: hourly puts of two replicas, of the key of a day and of the next
 * from the 21st hour on, each verified by a get. No hop sees two keys of a
 * service, none verifies what it put itself, and few see any one of them. */
static void test_no_hop_sees_two_keys(void **state)
{
    struct vanguard_set third = {.third = true};
    unsigned each[KEYS] = {0};
    struct stem_kit *kit;
    struct dht d;

    (void)state;
    begin(&d, 21, 22);
    kit = kit_new(&d, &third);
    for (unsigned hour = 0; hour < 60; hour++) {
        unsigned day = hour / 24;

        for (unsigned k = day; k <= day + (hour % 24 >= 21); k++) {
            for (unsigned r = 0; r < 2; r++)
                put(&d, kit, 500 + k, r, hour);
            d.item[0] = make_item(&d, 500 + k, 0, hour, 1);
            verify(&d, kit, 500 + k);
        }
        d.w.net->now += TIME_HOUR;
        for (unsigned n = 1; n <= 22; n++) {
            struct descriptor desc = world_descriptor(&d.w, n);

            desc.issued = world_wall(&d.w);
            desc.expires = desc.issued + DESCRIPTOR_LIFETIME_MAX;
            host_add(&d.w.h, &desc, n);
        }
    }
    assert_int_equal(d.key_count, 3);
    assert_int_equal(finder_stats(d.f)->seen_twice, 0);
    for (unsigned n = 1; n <= 22; n++)
        for (unsigned k = 0; k < d.key_count; k++)
            each[k] += (d.saw[n] >> k) & 1;
    for (unsigned k = 0; k < d.key_count; k++)
        assert_in_range(each[k], 4, 8); /* one may be in the way of itself */
    end(&d);
}

static enum reason has_newer(struct world *w, unsigned n, struct transit *t,
                             const struct meeting_message *m)
{
    struct dht *d = dht_of(w);

    d->puts++;
    say_done(d, n, t, m->id,
             d->manner[n] == HONEST ? REASON_POLICY : REASON_UNREACHABLE, 0);
    return REASON_UNKNOWN;
}

/* That there is a newer item is believed when two say so. */
static void test_finder_says_that_there_is_a_newer_item(void **state)
{
    struct vanguard_set third = {.third = true};
    struct stem_kit *kit;
    struct dht d;

    (void)state;
    begin(&d, 23, 20);
    d.w.serve = has_newer;
    kit = kit_new(&d, &third);
    put(&d, kit, 500, 0, 1);
    assert_int_equal(d.end, FINDER_NEWER);
    assert_int_equal(d.puts, 2);
    for (unsigned n = 1; n <= 20; n++)
        d.manner[n] = REFUSES;
    put(&d, kit, 500, 0, 1);
    assert_int_equal(d.end, FINDER_REFUSED);
    end(&d);
}

/* Where there are too few relays, a service is published all the same. */
static void test_hops_that_see_two_keys_are_counted(void **state)
{
    struct vanguard_set third = {.third = true};
    struct stem_kit *kit;
    struct dht d;

    (void)state;
    begin(&d, 22, 5);
    kit = kit_new(&d, &third);
    for (unsigned k = 0; k < 5; k++) {
        put(&d, kit, 500 + k, 0, 1);
        assert_int_equal(d.end, FINDER_FOUND);
        put(&d, kit, 500 + k, 1, 1);
        assert_int_equal(d.end, FINDER_FOUND);
    }
    assert_true(finder_stats(d.f)->seen_twice > 0);
    end(&d);
}

/* ---- Points -------------------------------------------------------------- */

static bool was_told(const struct dht *d, unsigned n)
{
    for (unsigned i = 0; i < d->points; i++)
        if (memcmp(d->point[i].identity, d->w.net->node[n].identity, 32) == 0)
            return true;
    return false;
}

static void test_finder_tells_points_that_the_directory_knows(void **state)
{
    struct dht d;

    (void)state;
    begin(&d, 30, 12);
    have_points(&d, 3, 4);
    points(&d, kit_new(&d, NULL), 8);
    assert_int_equal(d.end, FINDER_FOUND);
    assert_int_equal(d.points, 4);
    assert_int_equal(d.asks, 0);
    for (unsigned n = 3; n < 7; n++) {
        struct link_target t = net_target(&d.w.net->node[n]);
        bool same = false;

        for (unsigned i = 0; i < 4; i++)
            same |= memcmp(d.point[i].identity, t.identity, 32) == 0 &&
                    memcmp(d.point[i].handshake_key, t.handshake_key, 32) ==
                        0 &&
                    endpoint_equal(&d.point[i].ep, &t.ep);
        assert_true(same);
    }
    points(&d, kit_new(&d, NULL), 3);
    assert_int_equal(d.points, 3);
    d.peer_count[0] = d.peer_count[1] = 0;
    points(&d, kit_new(&d, NULL), 3);
    assert_int_equal(d.end, FINDER_NOT_FOUND);
    end(&d);
}

/* The hop that found them gives their own word; a false one is none. */
static void test_finder_asks_for_keys_of_strangers(void **state)
{
    struct dht d;

    (void)state;
    for (int forged = 0; forged <= 1; forged++) {
        begin(&d, 31, 12);
        for (unsigned n = 13; n < 17; n++) /* they live; nobody told us */
            d.w.net->node[n].dead = false;
        for (unsigned n = 1; n <= 12 && forged; n++)
            d.manner[n] = FORGES;
        have_points(&d, 13, 4);
        points(&d, kit_new(&d, NULL), 8);
        assert_int_equal(d.points, forged ? 0 : 4);
        assert_in_range(d.asks, 4, 8); /* 4 of a hop, at most */
        for (unsigned n = 13; n < 17 && !forged; n++)
            assert_true(was_told(&d, n));
        if (forged)
            assert_true(finder_stats(d.f)->forged >= 4);
        end(&d);
    }
}

/* Line 22, own friends: a hop that names those gets half of the places. */
static void test_friends_of_a_liar_get_half(void **state)
{
    struct dht d;
    unsigned honest;

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        unsigned liar;

        begin(&d, 300 + seed, 23);
        have_points(&d, 3, 8);
        points(&d, kit_new(&d, NULL), 6);
        for (liar = 1; liar < NET_NODES && d.saw[liar] == 0; liar++) {
        }
        end(&d);
        begin(&d, 300 + seed, 23);
        have_points(&d, 3, 8);
        d.manner[liar] = FRIENDS;
        points(&d, kit_new(&d, NULL), 6);
        assert_int_equal(d.points, 6);
        honest = 0;
        for (unsigned n = 3; n < 11; n++)
            honest += was_told(&d, n);
        assert_true(honest >= 3);
        end(&d);
    }
}

/* Whoever has many addresses in one network gets one place. */
static void test_points_are_of_different_networks(void **state)
{
    struct dht d;

    (void)state;
    begin(&d, 33, 12);
    have_points(&d, 3, 4);
    for (unsigned i = 0; i < 3; i++) {
        struct descriptor desc = world_descriptor(&d.w, 13 + i);

        desc.addresses[0] = d.w.net->node[3].ep;
        desc.addresses[0].addr[2] = (uint8_t)(1 + i);
        assert_int_equal(host_add(&d.w.h, &desc, 13 + i), OK);
        for (unsigned h = 0; h < HASHES; h++)
            d.peers[h][d.peer_count[h] + i] = desc.addresses[0];
    }
    d.peer_count[0] = d.peer_count[1] = 7;
    points(&d, kit_new(&d, NULL), 8);
    assert_int_equal(d.points, 4);
    end(&d);
}

/* Line 21: 200 points, private ones, without a port, twice: what is told is
 * bounded and of different networks, and so are circuits and questions. */
static void test_points_without_end(void **state)
{
    struct dht d;

    (void)state;
    begin(&d, 32, 14);
    for (unsigned n = 1; n <= 14; n++)
        d.manner[n] = MANY;
    points(&d, kit_new(&d, NULL), 8);
    assert_true(d.points <= 8);
    for (unsigned i = 0; i < d.points; i++)
        for (unsigned j = 0; j < i; j++)
            assert_false(
                source_same(&d.point[i].ep, &d.point[j].ep, SOURCE_NETWORK));
    assert_true(d.asks <= 8);
    assert_int_equal(finder_stats(d.f)->circuits, 2);
    end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finder_puts),
        cmocka_unit_test(test_finder_says_that_there_is_a_newer_item),
        cmocka_unit_test(test_no_hop_sees_two_keys),
        cmocka_unit_test(test_hops_that_see_two_keys_are_counted),
        cmocka_unit_test(test_finder_tells_points_that_the_directory_knows),
        cmocka_unit_test(test_finder_asks_for_keys_of_strangers),
        cmocka_unit_test(test_friends_of_a_liar_get_half),
        cmocka_unit_test(test_points_are_of_different_networks),
        cmocka_unit_test(test_points_without_end),
    };

    return cmocka_run_group_tests_name("finder_hops", tests, NULL, NULL);
}
