/* SPDX-License-Identifier: MIT */
#include "fail_alloc.h"
#include "finder_world.h"

/* ---- Items --------------------------------------------------------------- */

static void test_finder_gets_an_item(void **state)
{
    struct dht d;

    (void)state;
    for (unsigned r = 0; r < 2; r++) {
        begin(&d, 1 + r, 12);
        d.item[r] = make_item(&d, 500, r, 7, 1);
        get(&d, kit_new(&d, NULL), 500);
        assert_int_equal(d.end, FINDER_FOUND);
        assert_int_equal(d.items, 1);
        assert_int_equal(d.seq, 7);
        assert_int_equal(seen_by(&d), 2); /* two hops */
        end(&d);
    }
}

/* In either order: the higher one, and nothing lower after it. */
static void test_finder_takes_the_higher_seq(void **state)
{
    struct dht d;

    (void)state;
    for (unsigned r = 0; r < 2; r++) {
        begin(&d, 3 + r, 12);
        d.item[r] = make_item(&d, 500, r, 7, 1);
        d.item[1 - r] = make_item(&d, 500, 1 - r, 8, 2);
        get(&d, kit_new(&d, NULL), 500);
        assert_int_equal(d.end, FINDER_FOUND);
        assert_in_range(d.items, 1, 2);
        assert_int_equal(d.seq, 8);
        end(&d);
    }
}

static void test_finder_says_not_found_after_both(void **state)
{
    struct dht d;

    (void)state;
    begin(&d, 5, 12);
    get(&d, kit_new(&d, NULL), 500);
    assert_int_equal(d.end, FINDER_NOT_FOUND);
    assert_int_equal(d.gets, 4); /* both replicas, of both */
    assert_int_equal(seen_by(&d), 2);
    end(&d);
}

/* An item that the handler does not want counts as none. */
static void test_finder_asks_on_for_one_to_our_taste(void **state)
{
    struct dht d;

    (void)state;
    begin(&d, 6, 12);
    for (unsigned r = 0; r < 2; r++)
        d.item[r] = make_item(&d, 500, r, 7, 1);
    d.refuse = true;
    get(&d, kit_new(&d, NULL), 500);
    assert_int_equal(d.end, FINDER_NOT_FOUND);
    assert_int_equal(d.items, 4);
    end(&d);
}

/* Line 22: of three relays that may be the last hop two lie, each in its
 * manner. The item is found all the same, of the newest seq that an honest one
 * was asked for, and circuits are few. */
static void test_finder_finds_it_among_liars(void **state)
{
    static const enum manner manners[] = {SAYS_NO, FORGES, OLD,      SILENT,
                                          REFUSES, CLOSES, OTHER_IDS};
    struct dht d;

    (void)state;
    for (unsigned m = 0; m < COUNT_OF(manners); m++) {
        for (uint64_t seed = 1; seed <= 6; seed++) {
            begin(&d, 100 * m + seed, 14);
            for (unsigned n = 1; n <= 14; n++)
                d.manner[n] = n % 2 ? manners[m] : HONEST;
            d.old = make_item(&d, 500, 0, 1, 2);
            for (unsigned r = 0; r < 2; r++)
                d.item[r] = make_item(&d, 500, r, 7, 1);
            get(&d, kit_new(&d, NULL), 500);
            assert_true(finder_stats(d.f)->circuits <= 2 * FINDER_CIRCUITS);
            /* Three of each side can all be liars. */
            if (d.end == FINDER_FOUND)
                assert_true(d.seq == 7 || (d.seq == 1 && m == 2));
            else
                assert_true(seen_by(&d) <= 2 || d.items == 0);
            end(&d);
        }
    }
}

/* One of the two lies, and that is no harm: the other has both replicas. */
static void test_finder_with_one_liar(void **state)
{
    static const enum manner manners[] = {SAYS_NO, FORGES, SILENT,
                                          REFUSES, CLOSES, OTHER_IDS};
    struct dht d;

    (void)state;
    for (unsigned m = 0; m < COUNT_OF(manners); m++) {
        for (unsigned r = 0; r < 2; r++) {
            unsigned liar = 1;

            begin(&d, 40 + m, 14);
            d.item[r] = make_item(&d, 500, r, 7, 1); /* of one replica only */
            get(&d, kit_new(&d, NULL), 500);
            for (liar = 1; liar < NET_NODES && d.saw[liar] == 0; liar++) {
            }
            end(&d);
            /* The same again, and the first of them lies. */
            begin(&d, 40 + m, 14);
            d.manner[liar] = manners[m];
            d.item[r] = make_item(&d, 500, r, 7, 1);
            get(&d, kit_new(&d, NULL), 500);
            assert_int_equal(d.end, FINDER_FOUND);
            assert_int_equal(d.seq, 7);
            assert_int_equal(finder_stats(d.f)->unexpected > 0,
                             manners[m] == OTHER_IDS);
            end(&d);
        }
    }
}

static void test_finder_gives_up_in_time(void **state)
{
    struct dht d;
    uint64_t began;

    (void)state;
    begin(&d, 7, 12);
    for (unsigned n = 1; n <= 12; n++)
        d.manner[n] = SILENT;
    began = d.w.net->now;
    get(&d, kit_new(&d, NULL), 500);
    assert_int_equal(d.end, FINDER_TIMED_OUT);
    assert_true(d.w.net->now - began <= FINDER_TIMEOUT + TIME_S);
    assert_true(finder_stats(d.f)->silent > 0);
    for (unsigned n = 1; n <= 12; n++)
        d.manner[n] = REFUSES;
    get(&d, kit_new(&d, NULL), 500);
    assert_int_equal(d.end, FINDER_REFUSED);
    assert_true(finder_stats(d.f)->circuits <= 4 * FINDER_CIRCUITS);
    /* Line 4: an answer under another number is none. */
    for (unsigned n = 1; n <= 12; n++)
        d.manner[n] = OTHER_IDS;
    d.item[0] = make_item(&d, 500, 0, 7, 1);
    get(&d, kit_new(&d, NULL), 500);
    assert_int_equal(d.end, FINDER_TIMED_OUT);
    assert_int_equal(d.items, 0);
    end(&d);
    /* No network at all. */
    begin(&d, 8, 1);
    get(&d, kit_new(&d, NULL), 500);
    assert_int_equal(d.end, FINDER_NO_CIRCUIT);
    end(&d);
}

/* Questions that are lost are said again; DONE may overtake the item. */
static void test_finder_withstands_loss_and_reordering(void **state)
{
    struct dht d;

    (void)state;
    begin(&d, 9, 12);
    d.late = true;
    d.lose = 2;
    d.item[0] = make_item(&d, 500, 0, 7, 1);
    get(&d, kit_new(&d, NULL), 500);
    assert_int_equal(d.end, FINDER_FOUND);
    assert_int_equal(finder_stats(d.f)->circuits, 2);
    assert_int_equal(d.lose, 0);
    end(&d);
}

static void test_finder_in_small_networks(void **state)
{
    struct dht d;

    (void)state;
    for (unsigned n = 3; n <= 8; n++) {
        for (int service = 0; service <= 1; service++) {
            struct vanguard_set third = {.third = true};
            struct stem_kit *kit;

            begin(&d, 10 + n, n);
            d.item[0] = make_item(&d, 500, 0, 7, 1);
            kit = kit_new(&d, service ? &third : NULL);
            put(&d, kit, 500, 0, 7);
            assert_int_equal(d.end, FINDER_FOUND);
            get(&d, kit, 500);
            assert_int_equal(d.end, FINDER_FOUND);
            end(&d);
        }
    }
}

/* ---- Requests ------------------------------------------------------------ */

static void test_finder_cancels_at_any_time(void **state)
{
    struct finder_handler h;
    uint8_t key[32], secret[64];
    struct stem_kit *kit;
    struct dht d;

    (void)state;
    begin(&d, 50, 12);
    kit = kit_new(&d, NULL);
    h = handler(&d);
    test_identity(500, key, secret);
    for (unsigned i = 0; i < 60; i++) {
        d.item[0] = make_item(&d, 500, 0, 7, 1);
        assert_int_equal(
            finder_get(d.f, kit, key, &h, d.w.net->now, &d.request), OK);
        world_run(&d.w, i * 5 * TIME_MS);
        finder_cancel(d.f, d.request, d.w.net->now);
        finder_cancel(d.f, d.request, d.w.net->now);
        d.ended = 0;
        world_run(&d.w, TIME_S);
        assert_int_equal(d.ended, 0);
    }
    /* From within what it tells. */
    d.cancels = true;
    d.items = 0;
    assert_int_equal(finder_get(d.f, kit, key, &h, d.w.net->now, &d.request),
                     OK);
    world_run(&d.w, 5 * TIME_S);
    assert_int_equal(d.items, 1);
    assert_int_equal(d.ended, 0);
    have_points(&d, 3, 4);
    d.points = 0;
    assert_int_equal(finder_points(d.f, kit, (struct id[2]){{{0}}, {{1}}}, 4,
                                   &h, d.w.net->now, &d.request),
                     OK);
    world_run(&d.w, 5 * TIME_S);
    assert_int_equal(d.points, 1);
    assert_int_equal(d.ended, 0);
    /* Nothing of it is left but the stems that are kept. */
    stem_kit_free(kit, d.w.net->now);
    assert_int_equal(circuits_count(world_circuits(&d.w)), 0);
    end(&d);
}

static void test_finder_has_room_for_so_many(void **state)
{
    struct finder_handler h;
    struct stem_kit *kit;
    uint64_t request;
    struct dht d;

    (void)state;
    begin(&d, 51, 12);
    kit = kit_new(&d, NULL);
    h = handler(&d);
    fail_alloc_at(1);
    assert_int_equal(
        finder_get(d.f, kit, d.keys[0], &h, d.w.net->now, &request),
        ERR_NO_MEMORY);
    assert_true(fail_alloc_end());
    for (unsigned i = 0; i < FINDER_REQUESTS; i++)
        assert_int_equal(
            finder_get(d.f, kit, d.keys[0], &h, d.w.net->now, &request), OK);
    assert_int_equal(
        finder_get(d.f, kit, d.keys[0], &h, d.w.net->now, &request), ERR_FULL);
    finder_cancel(d.f, request, d.w.net->now);
    assert_int_equal(
        finder_get(d.f, kit, d.keys[0], &h, d.w.net->now, &request), OK);
    end(&d); /* nobody is called */
    assert_int_equal(d.ended, 0);
    fail_alloc_at(1);
    assert_int_equal(finder_new(&(struct finder_env){0}, &d.f), ERR_NO_MEMORY);
    assert_true(fail_alloc_end());
}

/* ---- A provider ---------------------------------------------------------- */

static enum error put_once(void *ctx, const struct dht_provider_item *item,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    struct host *h = ctx;
    enum error e = host_put(ctx, item);

    *request = 77;
    if (e == OK)
        handler->counted(handler->ctx, handler->cookie,
                         &(struct dht_provider_counts){.stored = 5});
    handler->done(handler->ctx, handler->cookie, h->dht_error);
    return OK;
}

/* One that is anonymous is asked itself; no circuit is built. One that is not
 * is never asked. */
static void test_finder_asks_a_provider_that_is_anonymous(void **state)
{
    struct dht_provider provider = {.get_peers = host_get_peers,
                                    .put_once = put_once,
                                    .get_item = host_get_item,
                                    .cancel = host_cancel};
    struct stem_kit *kit;
    struct host h = {0};
    struct dht d;

    (void)state;
    provider.ctx = &h;
    for (int anonymous = 0; anonymous <= 1; anonymous++) {
        provider.anonymous = anonymous;
        begin_with(&d, 60, 12, &provider);
        kit = kit_new(&d, NULL);
        put(&d, kit, 500, 0, 9);
        assert_int_equal(d.end, FINDER_FOUND);
        assert_int_equal(d.stored, anonymous ? 5 : 8);
        assert_int_equal(h.puts, anonymous);
        get(&d, kit, 500);
        assert_int_equal(d.end, anonymous ? FINDER_FOUND : FINDER_NOT_FOUND);
        assert_int_equal(d.seq, anonymous ? 9 : 0);
        if (anonymous) {
            h.peers[0].ep = d.w.net->node[4].ep; /* hash 00... */
            h.peer_count = 1;
        }
        points(&d, kit, 4);
        assert_int_equal(d.points, anonymous);
        assert_int_equal(finder_stats(d.f)->circuits > 0, !anonymous);
        assert_int_equal(h.fetches > 0, anonymous);
        assert_int_equal(h.lookups > 0, anonymous);
        h.dht_error = ERR_NO_NODES;
        put(&d, kit, 500, 0, 10);
        assert_int_equal(d.end, anonymous ? FINDER_REFUSED : FINDER_FOUND);
        h.dht_error = OK;
        end(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finder_gets_an_item),
        cmocka_unit_test(test_finder_takes_the_higher_seq),
        cmocka_unit_test(test_finder_says_not_found_after_both),
        cmocka_unit_test(test_finder_asks_on_for_one_to_our_taste),
        cmocka_unit_test(test_finder_finds_it_among_liars),
        cmocka_unit_test(test_finder_with_one_liar),
        cmocka_unit_test(test_finder_gives_up_in_time),
        cmocka_unit_test(test_finder_withstands_loss_and_reordering),
        cmocka_unit_test(test_finder_in_small_networks),
        cmocka_unit_test(test_finder_cancels_at_any_time),
        cmocka_unit_test(test_finder_has_room_for_so_many),
        cmocka_unit_test(test_finder_asks_a_provider_that_is_anonymous),
    };

    return cmocka_run_group_tests_name("finder", tests, NULL, NULL);
}
