/* SPDX-License-Identifier: MIT */
#include "fail_alloc.h"
#include "stem_world.h"

#include "tunnel/path/path_weight.h"

/* Who takes stems here. */
struct taker {
    unsigned ready, closed;
};

static void taker_ready(void *holder, struct circuit *c, uint64_t now)
{
    struct taker *t = holder;

    (void)c, (void)now;
    t->ready++;
}

static void taker_closed(void *holder, struct circuit *c, enum reason why,
                         unsigned hop, uint64_t now)
{
    struct taker *t = holder;

    (void)c, (void)why, (void)hop, (void)now;
    t->closed++;
}

static const struct route_ops taker_ops = {.ready = taker_ready,
                                           .closed = taker_closed};
static struct taker taker;

static struct stem_kit *kit_new(struct world *w, unsigned hops,
                                struct vanguard_set *third)
{
    struct stem_kit *kit;

    assert_int_equal(stem_kit_new(w->stems, hops, third, &taker, &kit), OK);
    return kit;
}

static struct circuit *take(struct world *w, struct stem_kit *kit,
                            const uint8_t target[32])
{
    return stem_take(kit, target, NULL, 0, &taker_ops, &taker, w->net->now);
}

/* Takes one, waiting for it if need be, and ends it. The hops are told. */
static void take_one(struct world *w, struct stem_kit *kit,
                     const uint8_t target[32], unsigned hops[3])
{
    struct circuit *c;

    for (unsigned i = 0; (c = take(w, kit, target)) == NULL; i++) {
        assert_true(i < 20);
        world_run(w, 200 * TIME_MS);
    }
    for (unsigned i = 0; i < c->length; i++)
        hops[i] = world_hop(w, c, i);
    route_drop(world_circuits(w), c, w->net->now);
}

static bool is_guard(const struct world *w, const struct circuit *c)
{
    for (unsigned i = 0; i < w->guards.count; i++)
        if (memcmp(w->guards.list[i].identity, c->hop[0].target.identity, 32) ==
            0)
            return true;
    return false;
}

static bool is_in(const struct vanguard_set *set, const uint8_t identity[32])
{
    for (unsigned k = 0; k < set->count; k++)
        if (memcmp(set->list[k].identity, identity, 32) == 0)
            return true;
    return false;
}

static bool is_of(const struct vanguard_set *set, const struct circuit *c,
                  unsigned i)
{
    return is_in(set, c->hop[i].target.identity);
}

static unsigned circuits(const struct world *w)
{
    return circuits_count(world_circuits(w));
}

static uint64_t started(const struct world *w)
{
    return circuits_stats(world_circuits(w))->started;
}

/* ---- A kit -------------------------------------------------------------- */

static void test_stems_lead_through_guard_and_vanguards(void **state)
{
    (void)state;
    for (unsigned hops = 1; hops <= 3; hops++) {
        for (int service = 0; service <= 1; service++) {
            struct vanguard_set third = {.third = true};
            struct stem_kit *kit;
            struct world w;

            world_init(&w, 10 + hops, 20);
            kit = kit_new(&w, hops, service ? &third : NULL);
            assert_int_equal(stem_kit_is_service(kit), service);
            assert_ptr_equal(stem_kit_arg(kit), &taker);
            world_run(&w, TIME_S);
            assert_int_equal(stem_kit_ready(kit), STEM_SPARE);
            assert_int_equal(circuits(&w), STEM_SPARE);
            for (unsigned i = 0; i < STEM_SPARE; i++) {
                const struct circuit *c = circuits_at(world_circuits(&w), i);

                assert_int_equal(c->length, hops);
                assert_true(is_guard(&w, c));
                if (hops == 3 || (hops == 2 && service))
                    assert_true(is_of(&w.vanguards.layer2, c, 1));
                if (hops == 3 && service)
                    assert_true(is_of(&third, c, 2));
            }
            assert_int_equal(w.vanguards.layer2.count,
                             hops == 3 || (hops == 2 && service) ? 4 : 0);
            assert_int_equal(third.count, hops == 3 && service ? 6 : 0);
            world_deinit(&w);
        }
    }
}

/* Who takes one has it for good, another comes in its place. When nobody takes
 * any for a while, none are kept, and what was taken stays. */
static void test_kit_is_filled_while_it_is_used(void **state)
{
    struct circuit *c[3];
    struct stem_kit *kit;
    struct world w;

    (void)state;
    world_init(&w, 20, 12);
    kit = kit_new(&w, 3, NULL);
    taker = (struct taker){0};
    assert_null(take(&w, kit, NULL));
    world_run(&w, TIME_S);
    assert_int_equal(w.told, 1);
    assert_ptr_equal(w.told_kit, kit);
    assert_int_equal(w.told_why, PATH_FOUND);
    for (unsigned i = 0; i < 3; i++) {
        c[i] = take(&w, kit, NULL);
        assert_non_null(c[i]);
        assert_true(route_is(c[i], &taker_ops, &taker));
    }
    assert_int_equal(stem_kit_ready(kit), 1);
    world_run(&w, TIME_S);
    assert_int_equal(stem_kit_ready(kit), STEM_SPARE);
    assert_int_equal(w.told, 1); /* nobody waits */
    world_run(&w, STEM_REST);
    assert_int_equal(stem_kit_ready(kit), 0);
    assert_int_equal(circuits(&w), 3);
    world_run(&w, TIME_MIN);
    assert_int_equal(circuits(&w), 3);
    assert_int_equal(taker.closed, 0);
    stem_kit_free(kit, w.net->now);
    stem_kit_free(NULL, w.net->now);
    assert_int_equal(circuits(&w), 3);
    world_deinit(&w);
}

static void lose(struct world *w, const uint8_t identity[32])
{
    struct lost_relays *lost = circuits_lost(world_circuits(w));

    lost_relays_note(lost, identity, w->net->now);
}

/* Who was lost a moment ago is in none that is taken, whether it was ready or
 * is built, until that is forgotten. No set grows for it. */
static void test_stems_lead_around_lost_relays(void **state)
{
    struct stem_kit *kit;
    struct world w;
    uint64_t until;
    unsigned hops[3], lost, through = 0;

    (void)state;
    world_init(&w, 41, 23);
    kit = kit_new(&w, 3, NULL);
    take_one(&w, kit, NULL, hops);
    world_run(&w, TIME_S);
    lost = hops[1];
    lose(&w, w.net->node[lost].identity);
    until = w.net->now + LOST_LIFE;
    while (w.net->now + TIME_S < until) {
        take_one(&w, kit, NULL, hops);
        assert_int_not_equal(hops[1], lost);
        assert_int_not_equal(hops[2], lost);
        world_run(&w, 50 * TIME_MS);
    }
    world_run(&w, TIME_S);
    for (unsigned i = 0; i < 60; i++) {
        take_one(&w, kit, NULL, hops);
        through += hops[1] == lost;
        world_run(&w, 50 * TIME_MS);
    }
    assert_in_range(through, 4, 40);
    assert_int_equal(w.vanguards.layer2.count, VANGUARD_LAYER2);
    world_deinit(&w);
}

/* Where all ways lead through somebody who was lost, whoever was lost last is
 * avoided still: the others may be back. */
static void test_stems_when_all_are_lost(void **state)
{
    struct stem_kit *kit;
    struct world w;
    uint8_t last[32];
    unsigned hops[3];

    (void)state;
    world_init(&w, 42, 23);
    kit = kit_new(&w, 3, NULL);
    take_one(&w, kit, NULL, hops);
    world_run(&w, TIME_S);
    for (unsigned i = 0; i < w.vanguards.layer2.count; i++) {
        memcpy(last, w.vanguards.layer2.list[i].identity, sizeof(last));
        lose(&w, last);
        world_run(&w, TIME_MS);
    }
    for (unsigned i = 0; i < 20; i++) {
        take_one(&w, kit, NULL, hops);
        assert_memory_not_equal(w.net->node[hops[1]].identity, last, 32);
        world_run(&w, 50 * TIME_MS);
    }
    assert_int_equal(w.vanguards.layer2.count, VANGUARD_LAYER2);
    world_deinit(&w);
}

/* None that is ready suits, and the one that is built instead fails: who waits
 * is told to ask again, though the kit is full. */
static void test_who_waits_is_told_when_a_stem_fails(void **state)
{
    uint8_t last[STEM_SPARE][32];
    struct stem_kit *kit;
    struct world w;

    (void)state;
    world_init(&w, 43, 20);
    kit = kit_new(&w, 3, NULL);
    world_run(&w, TIME_S);
    assert_int_equal(circuits(&w), STEM_SPARE);
    for (unsigned n = 1; n <= 20; n++)
        w.net->node[n].dead = true;
    for (unsigned i = 0; i < STEM_SPARE; i++) {
        const struct circuit *c = circuits_at(world_circuits(&w), i);

        memcpy(last[i], c->hop[2].target.identity, sizeof(last[i]));
        for (unsigned k = 0; k < 3; k++)
            w.net->node[world_hop(&w, c, k)].dead = false;
    }
    assert_null(stem_take(kit, NULL, (const uint8_t(*)[32])last, STEM_SPARE,
                          &taker_ops, &taker, w.net->now));
    world_run(&w, 40 * TIME_S);
    assert_int_equal(stem_kit_ready(kit), STEM_SPARE);
    assert_true(started(&w) > STEM_SPARE);
    assert_int_equal(w.told, 1);
    assert_int_equal(w.told_why, PATH_FOUND);
    world_deinit(&w);
}

/* A stem that is taken is never older than STEM_AGE, and while the kit is used
 * there is always one. */
static void test_stems_are_fresh(void **state)
{
    struct stem_kit *kit;
    struct world w;

    (void)state;
    world_init(&w, 21, 12);
    kit = kit_new(&w, 3, NULL);
    world_run(&w, TIME_S);
    for (unsigned i = 0; i < 200; i++) {
        world_run(&w, 3 * TIME_S);
        assert_true(stem_kit_ready(kit) >= STEM_SPARE);
        if (i % 25 == 24) {
            struct circuit *c = take(&w, kit, NULL);

            assert_non_null(c);
            assert_true(w.net->now - c->created_at <= STEM_AGE);
            route_drop(world_circuits(&w), c, w.net->now);
        }
        assert_true(circuits(&w) <= STEM_SLOTS);
        for (unsigned k = 0; k < circuits(&w); k++)
            assert_true(w.net->now -
                            circuits_at(world_circuits(&w), k)->created_at <=
                        STEM_AGE);
    }
    /* 4 in each 90 seconds, and what was taken. */
    assert_true(started(&w) < 4 * 9 + 8);
    world_deinit(&w);
}

/* Without a single relay that answers few circuits are begun, and all is well
 * soon after they answer again. */
static void test_stems_that_fail_are_built_with_back_off(void **state)
{
    struct stem_kit *kit;
    struct world w;
    uint64_t before;

    (void)state;
    world_init(&w, 22, 12);
    for (unsigned n = 1; n <= 12; n++)
        w.net->node[n].dead = true;
    kit = kit_new(&w, 3, NULL);
    for (unsigned i = 0; i < 10; i++) {
        assert_null(take(&w, kit, NULL));
        world_run(&w, TIME_MIN);
    }
    before = started(&w);
    assert_in_range(before, 8, 10 * 4 * 5);
    for (unsigned n = 1; n <= 12; n++)
        w.net->node[n].dead = false;
    w.told = 0;
    assert_null(take(&w, kit, NULL));
    world_run(&w, TIME_MIN);
    assert_true(stem_kit_ready(kit) >= STEM_SPARE);
    assert_int_equal(w.told, 1);
    world_deinit(&w);
}

static void test_kit_says_why_there_is_no_path(void **state)
{
    struct stem_kit *kit;
    struct world w;

    (void)state;
    world_init(&w, 23, 2);
    kit = kit_new(&w, 3, NULL);
    world_run(&w, TIME_S);
    assert_int_equal(w.told, 0); /* nobody asked */
    assert_null(take(&w, kit, NULL));
    world_run(&w, 30 * TIME_S);
    assert_in_range(w.told, 1, 1); /* once for each that asks */
    assert_int_equal(w.told_why, PATH_NO_RELAYS);
    assert_int_equal(stem_kit_path(kit), PATH_NO_RELAYS);
    assert_int_equal(started(&w), 0);
    /* One more relay is found: there are stems at once, without a pause. */
    w.relays = 3;
    w.net->node[3].dead = false;
    for (unsigned n = 3; n <= 3; n++) {
        struct descriptor d = world_descriptor(&w, n);

        assert_int_equal(host_add(&w.h, &d, n), OK);
    }
    world_run(&w, 200 * TIME_MS);
    assert_int_equal(stem_kit_ready(kit), STEM_SPARE);
    assert_non_null(take(&w, kit, NULL));
    world_deinit(&w);
}

/* Of relays that get known, none is enough for a path: each is a reason to
 * look once more, and no more than that. */
static void test_kit_looks_again_when_relays_get_known(void **state)
{
    struct stem_kit *kit;
    struct world w;

    (void)state;
    world_init(&w, 24, 0);
    kit = kit_new(&w, 3, NULL);
    world_run(&w, 10 * TIME_S);
    for (unsigned n = 1; n <= 3; n++) {
        struct descriptor d = world_descriptor(&w, n);

        assert_int_equal(host_add(&w.h, &d, n), OK);
        w.relays = n;
        w.net->node[n].dead = false;
        assert_true(stems_next_deadline(w.stems) <= w.net->now);
        stems_tick(w.stems, world_wall(&w), w.net->now);
        assert_true(stems_next_deadline(w.stems) > w.net->now);
        assert_int_equal(started(&w), n < 3 ? 0 : STEM_SPARE);
    }
    /* Circuits that fail have it pause as before. */
    for (unsigned n = 1; n <= 3; n++)
        w.net->node[n].dead = true;
    world_run(&w, 30 * TIME_S);
    assert_int_equal(stem_kit_ready(kit), 0);
    assert_in_range(started(&w), STEM_SPARE, 12 * STEM_SPARE);
    world_deinit(&w);
}

static void ask_again(struct world *w, struct stem_kit *kit)
{
    assert_null(take(w, kit, w->net->node[5].identity));
}

/* There are stems, and none can lead to this target: who asks is told so, not
 * too often, and again when he asks again. */
static void test_kit_says_that_nothing_suits(void **state)
{
    struct stem_kit *kit;
    struct world w;

    (void)state;
    world_init(&w, 24, 8);
    for (unsigned n = 1; n <= 8; n++) {
        struct descriptor d = world_descriptor(&w, n);

        d.roles = n == 5 ? ROLE_RELAY | ROLE_MEETING : ROLE_RELAY;
        d.issued++;
        assert_int_equal(host_add(&w.h, &d, n), OK);
    }
    w.on_ready = ask_again;
    kit = kit_new(&w, 3, NULL);
    world_run(&w, TIME_S);
    assert_int_equal(stem_kit_ready(kit), STEM_SPARE);
    ask_again(&w, kit);
    world_run(&w, 20 * TIME_S);
    assert_int_not_equal(w.told_why, PATH_FOUND);
    assert_in_range(w.told, 5, 12);
    assert_true(started(&w) < 10);
    world_deinit(&w);
}

/* Of 3 to 20 relays, for each length and kind, and each of them as a target. */
static void test_stems_in_small_networks(void **state)
{
    (void)state;
    for (unsigned n = 3; n <= 20; n += n < 8 ? 1 : 4) {
        for (unsigned hops = 1; hops <= 3; hops++) {
            for (int service = 0; service <= 1; service++) {
                struct vanguard_set third = {.third = true};
                struct stem_kit *kit;
                struct world w;
                unsigned path[3];

                world_init(&w, n, n);
                kit = kit_new(&w, hops, service ? &third : NULL);
                for (unsigned t = 1; t <= n; t++) {
                    take_one(&w, kit, w.net->node[t].identity, path);
                    assert_int_not_equal(path[hops - 1], t);
                    if (hops > 1)
                        assert_int_not_equal(path[hops - 2], t);
                }
                world_deinit(&w);
            }
        }
    }
}

/* ---- Targets ------------------------------------------------------------ */

/* Guard discovery (SERVICES.md, lines 29 and 30): whatever target others
 * choose, the second hops are of 4, the third of 8, each is used as often, and
 * what stands before it is chosen as without it: the guard is a good target,
 * too. */
static void test_targets_change_nothing(void **state)
{
    struct vanguard_set third = {.third = true};
    unsigned second_seen[NET_NODES] = {0}, third_seen[NET_NODES] = {0};
    unsigned seconds = 0, thirds = 0;
    struct stem_kit *kit;
    struct world w;

    (void)state;
    world_init(&w, 30, 20);
    kit = kit_new(&w, 3, &third);
    for (unsigned i = 0; i < 400; i++) {
        unsigned target = 1 + i % 20, path[3];

        take_one(&w, kit, w.net->node[target].identity, path);
        assert_int_not_equal(path[2], target);
        assert_int_not_equal(path[1], target);
        seconds += second_seen[path[1]]++ == 0;
        thirds += third_seen[path[2]]++ == 0;
    }
    assert_int_equal(seconds, 4);
    assert_int_equal(thirds, 6); /* 20 / 3 */
    for (unsigned n = 1; n <= 20; n++) {
        if (third_seen[n] > 0)
            assert_in_range(third_seen[n], 30, 110);
        if (second_seen[n] > 0)
            assert_in_range(second_seen[n], 40, 170);
    }
    world_deinit(&w);
}

/* The same world takes the same stem for every target but its last two hops, to
 * which the last one cannot extend. */
static void test_a_target_that_is_a_hop_gets_the_same_stem(void **state)
{
    unsigned plain[3], path[3];

    (void)state;
    for (unsigned target = 0; target <= 12; target++) {
        struct vanguard_set third = {.third = true};
        struct stem_kit *kit;
        struct world w;

        world_init(&w, 31, 12);
        kit = kit_new(&w, 3, &third);
        world_run(&w, TIME_S);
        if (target == 0) {
            take_one(&w, kit, NULL, plain);
        } else {
            take_one(&w, kit, w.net->node[target].identity, path);
            if (target != plain[1] && target != plain[2])
                assert_memory_equal(path, plain, sizeof(path));
            assert_int_not_equal(path[1], target);
            assert_int_not_equal(path[2], target);
        }
        world_deinit(&w);
    }
}

/* Targets that cannot be reached, that refuse, or close: the sets stay as they
 * are, and are used as before. */
static void test_targets_that_fail_move_no_vanguard(void **state)
{
    struct vanguard_set third = {.third = true}, before, layer2;
    struct stem_kit *kit;
    struct world w;

    (void)state;
    world_init(&w, 32, 20);
    kit = kit_new(&w, 3, &third);
    world_run(&w, TIME_S);
    before = third;
    layer2 = w.vanguards.layer2;
    taker = (struct taker){0};
    for (unsigned i = 0; i < 100; i++) {
        struct link_target target = net_target(&w.net->node[1 + i % 20]);
        struct circuit *c = take(&w, kit, target.identity);

        target.handshake_key[3] ^= 1; /* nobody has this one */
        if (i % 2)
            target.ep.addr[3] ^= 0x55; /* and nobody is there */
        if (c == NULL) {
            world_run(&w, TIME_S);
            continue;
        }
        assert_int_equal(
            circuit_extend(world_circuits(&w), c, &target, w.net->now), OK);
        assert_int_equal(c->chosen, 3);
        world_run(&w, 10 * TIME_S);
    }
    assert_true(taker.closed > 50);
    assert_memory_equal(before.list, third.list, sizeof(before.list));
    assert_memory_equal(layer2.list, w.vanguards.layer2.list,
                        sizeof(layer2.list));
    world_deinit(&w);
}

/* When all layer-2 guards fail one more is drawn, and no more than that; those
 * that work again are used again. */
static void test_sets_are_widened_when_all_fail(void **state)
{
    struct vanguard_set *layer2;
    struct vanguard extra;
    struct stem_kit *kit;
    struct world w;
    unsigned path[3];

    (void)state;
    world_init(&w, 33, 20);
    layer2 = &w.vanguards.layer2;
    kit = kit_new(&w, 3, NULL);
    take_one(&w, kit, NULL, path);
    assert_int_equal(layer2->count, 4);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < 3; k++) /* for two minutes */
            directory_failed(w.h.d, layer2->list[i].identity,
                             w.net->now - k * TIME_MS);
    for (unsigned i = 0; i < 12; i++)
        take_one(&w, kit, NULL, path);
    assert_int_equal(layer2->count, 5);
    extra = layer2->list[4];
    assert_memory_equal(extra.identity, w.net->node[path[1]].identity, 32);
    world_run(&w, 5 * TIME_MIN);
    for (unsigned i = 0; i < 30; i++) {
        take_one(&w, kit, NULL, path);
        assert_memory_not_equal(extra.identity, w.net->node[path[1]].identity,
                                32);
    }
    assert_int_equal(layer2->count, 5);
    world_deinit(&w);
}

/* The layer-2 guards are gone for good, and each that is tried is lost anew:
 * they are not tried for ever, one more is drawn. */
static void test_sets_are_widened_after_tries_in_vain(void **state)
{
    struct vanguard_set *layer2;
    struct stem_kit *kit;
    struct world w;
    unsigned path[3];

    (void)state;
    world_init(&w, 35, 20);
    layer2 = &w.vanguards.layer2;
    kit = kit_new(&w, 3, NULL);
    take_one(&w, kit, NULL, path);
    world_run(&w, STEM_REST + TIME_S);
    for (unsigned n = 1; n <= 20; n++)
        w.net->node[n].dead = is_in(layer2, w.net->node[n].identity);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < 6; k++) /* for a quarter of an hour */
            directory_failed(w.h.d, layer2->list[i].identity,
                             w.net->now - k * TIME_MS);
    for (unsigned i = 0; i < 300 && layer2->count == 4; i++) {
        for (unsigned k = 0; k < 4; k++)
            lose(&w, layer2->list[k].identity);
        assert_null(take(&w, kit, NULL));
        world_run(&w, TIME_S);
    }
    assert_int_equal(layer2->count, 5);
    take_one(&w, kit, NULL, path);
    assert_memory_equal(layer2->list[4].identity, w.net->node[path[1]].identity,
                        32);
    world_deinit(&w);
}

/* ---- Several kits ------------------------------------------------------- */

/* Line 24, of circuits: two services share none, nor a set of third hops; nor
 * does one have what another asked for. */
static void test_kits_share_nothing(void **state)
{
    struct vanguard_set third[2] = {{.third = true}, {.third = true}};
    struct stem_kit *kit[2];
    struct world w;
    unsigned same = 0;

    (void)state;
    world_init(&w, 40, 20);
    for (unsigned i = 0; i < 2; i++)
        kit[i] = kit_new(&w, 3, &third[i]);
    assert_true(stem_kit_id(kit[0]) != stem_kit_id(kit[1]));
    world_run(&w, TIME_S);
    assert_int_equal(circuits(&w), 2 * STEM_SPARE);
    for (unsigned i = 0; i < 2; i++) {
        struct circuit *c;

        while ((c = take(&w, kit[i], NULL)) != NULL) {
            assert_true(is_of(&third[i], c, 2));
            route_drop(world_circuits(&w), c, w.net->now);
        }
        assert_int_equal(stem_kit_ready(kit[i]), 0);
        assert_int_equal(circuits(&w), (1 - i) * STEM_SPARE);
    }
    for (unsigned i = 0; i < third[0].count; i++)
        for (unsigned j = 0; j < third[1].count; j++)
            same += memcmp(third[0].list[i].identity, third[1].list[j].identity,
                           32) == 0;
    assert_true(same < third[0].count);
    world_deinit(&w);
}

static void free_kit(struct world *w, struct stem_kit *kit)
{
    stem_kit_free(kit, w->net->now);
}

/* What is told of stems may end the kit, whatever is told. */
static void test_kit_may_end_when_it_is_told_of(void **state)
{
    struct world w;

    (void)state;
    for (unsigned relays = 2; relays <= 8; relays += 6) {
        world_init(&w, 41, relays);
        w.on_ready = free_kit;
        assert_null(take(&w, kit_new(&w, 3, NULL), NULL));
        assert_null(take(&w, kit_new(&w, 2, NULL), NULL));
        world_run(&w, 5 * TIME_S);
        assert_int_equal(w.told, 2);
        assert_int_equal(circuits(&w), 0);
        assert_int_equal(stems_next_deadline(w.stems), TIME_NEVER);
        world_deinit(&w);
    }
}

/* ---- Last hops that are drawn ------------------------------------------- */

static struct circuit *take_drawn(struct world *w, struct stem_kit *kit,
                                  const struct stem_wish *wish,
                                  enum path_result *r)
{
    struct circuit *c = NULL;

    for (unsigned i = 0; i < 20 && c == NULL; i++) {
        *r = stem_take_drawn(kit, wish, &taker_ops, &taker, w->net->now, &c);
        if (*r != PATH_FOUND)
            return NULL;
        world_run(w, 200 * TIME_MS);
    }
    assert_non_null(c);
    assert_int_equal(c->state, CIRCUIT_READY);
    return c;
}

/* A client's stem itself, a service's with one hop more; none that is to be
 * avoided, and of another network if that is asked for. */
static void test_last_hop_is_drawn_anew(void **state)
{
    (void)state;
    for (int service = 0; service <= 1; service++) {
        struct vanguard_set third = {.third = true};
        uint8_t avoid[20][32];
        struct stem_wish wish = {.avoid = (const uint8_t(*)[32])avoid,
                                 .apart = true};
        unsigned seen = 0;
        enum path_result r;
        struct stem_kit *kit;
        struct world w;

        world_init(&w, 50, 14);
        kit = kit_new(&w, 3, service ? &third : NULL);
        for (;; seen++) {
            struct circuit *c = take_drawn(&w, kit, &wish, &r);

            if (c == NULL)
                break;
            assert_int_equal(c->length, service ? 4 : 3);
            assert_int_equal(c->chosen, c->length);
            assert_true(is_of(&w.vanguards.layer2, c, 1));
            if (service)
                assert_true(is_of(&third, c, 2));
            for (unsigned i = 0; i < seen; i++)
                assert_memory_not_equal(c->hop[c->length - 1].target.identity,
                                        avoid[i], 32);
            memcpy(avoid[seen], c->hop[c->length - 1].target.identity, 32);
            wish.avoid_count = seen + 1;
            route_drop(world_circuits(&w), c, w.net->now);
        }
        assert_int_not_equal(r, PATH_FOUND);
        assert_in_range(seen, 10, 14);
        world_deinit(&w);
    }
}

/* A relay that does not serve services ends no stem of a client; it may be any
 * other hop. One of a few, when a service asks for that. */
static void test_last_hop_has_the_role(void **state)
{
    (void)state;
    for (int service = 0; service <= 1; service++) {
        struct vanguard_set third = {.third = true};
        uint8_t few[2][32];
        struct stem_wish wish = {0};
        struct stem_kit *kit;
        enum path_result r;
        struct world w;

        world_init(&w, 51, 15);
        for (unsigned n = 1; n <= 12; n++) {
            struct descriptor d = world_descriptor(&w, n);

            d.roles = ROLE_RELAY;
            d.issued++;
            assert_int_equal(host_add(&w.h, &d, n), OK);
        }
        memcpy(few[0], w.net->node[13].identity, 32);
        memcpy(few[1], w.net->node[15].identity, 32);
        if (service) {
            wish.among = (const uint8_t(*)[32])few;
            wish.among_count = 2;
        }
        kit = kit_new(&w, 3, service ? &third : NULL);
        for (unsigned i = 0; i < 30; i++) {
            struct circuit *c = take_drawn(&w, kit, &wish, &r);
            unsigned last;

            assert_non_null(c);
            last = world_hop(&w, c, c->length - 1);
            assert_true(last >= 13 && (!service || last != 14));
            route_drop(world_circuits(&w), c, w.net->now);
        }
        world_deinit(&w);
    }
}

/* ---- The same hops again ------------------------------------------------ */

static void test_stem_again_keeps_its_hops(void **state)
{
    struct link_target target;
    struct circuit *c, *again;
    struct stem_kit *kit;
    struct world w;

    (void)state;
    world_init(&w, 60, 12);
    kit = kit_new(&w, 3, NULL);
    world_run(&w, TIME_S);
    c = take(&w, kit, NULL);
    assert_non_null(c);
    target = net_target(&w.net->node[world_hop(&w, c, 0)]);
    assert_int_equal(stem_again(w.stems, c, 3, &target, &taker_ops, &taker,
                                w.net->now, &again),
                     OK);
    assert_int_equal(again->length, 4);
    assert_int_equal(again->chosen, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_memory_equal(&again->hop[i].target, &c->hop[i].target,
                            sizeof(target));
    assert_memory_equal(&again->hop[3].target, &target, sizeof(target));
    world_run(&w, TIME_S);
    assert_int_equal(again->state, CIRCUIT_READY);
    assert_int_equal(
        stem_again(w.stems, c, 2, NULL, &taker_ops, &taker, w.net->now, &again),
        OK);
    assert_int_equal(again->length, 2);
    assert_int_equal(
        stem_again(w.stems, c, 4, NULL, &taker_ops, &taker, w.net->now, &again),
        ERR_RANGE);
    assert_int_equal(stem_again(w.stems, c, 0, &target, &taker_ops, &taker,
                                w.net->now, &again),
                     ERR_RANGE);
    world_deinit(&w);
}

static void test_stems_without_memory(void **state)
{
    struct stems_env env = {0};
    struct stem_kit *kit;
    struct stems *s;
    struct world w;

    (void)state;
    world_init(&w, 61, 8);
    fail_alloc_at(1);
    assert_int_equal(stems_new(&env, &s), ERR_NO_MEMORY);
    assert_true(fail_alloc_end());
    fail_alloc_at(1);
    assert_int_equal(stem_kit_new(w.stems, 3, NULL, NULL, &kit), ERR_NO_MEMORY);
    assert_true(fail_alloc_end());
    assert_int_equal(stem_kit_new(w.stems, 0, NULL, NULL, &kit), ERR_RANGE);
    assert_int_equal(stem_kit_new(w.stems, 4, NULL, NULL, &kit), ERR_RANGE);
    world_deinit(&w);
    /* Whatever fails while stems are built, they are there later. */
    for (unsigned n = 1; n < 200; n += 3) {
        world_init(&w, 62, 8);
        kit = kit_new(&w, 3, NULL);
        w.net->sink = true; /* it would allocate */
        fail_alloc_at(n);
        stems_tick(w.stems, world_wall(&w), w.net->now);
        w.net->sink = false;
        if (!fail_alloc_end())
            n = 200;
        world_run(&w, 10 * TIME_S);
        assert_int_equal(stem_kit_ready(kit), STEM_SPARE);
        world_deinit(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stems_lead_through_guard_and_vanguards),
        cmocka_unit_test(test_kit_is_filled_while_it_is_used),
        cmocka_unit_test(test_stems_lead_around_lost_relays),
        cmocka_unit_test(test_stems_when_all_are_lost),
        cmocka_unit_test(test_who_waits_is_told_when_a_stem_fails),
        cmocka_unit_test(test_stems_are_fresh),
        cmocka_unit_test(test_stems_that_fail_are_built_with_back_off),
        cmocka_unit_test(test_kit_says_why_there_is_no_path),
        cmocka_unit_test(test_kit_looks_again_when_relays_get_known),
        cmocka_unit_test(test_kit_says_that_nothing_suits),
        cmocka_unit_test(test_stems_in_small_networks),
        cmocka_unit_test(test_targets_change_nothing),
        cmocka_unit_test(test_a_target_that_is_a_hop_gets_the_same_stem),
        cmocka_unit_test(test_targets_that_fail_move_no_vanguard),
        cmocka_unit_test(test_sets_are_widened_when_all_fail),
        cmocka_unit_test(test_sets_are_widened_after_tries_in_vain),
        cmocka_unit_test(test_kits_share_nothing),
        cmocka_unit_test(test_kit_may_end_when_it_is_told_of),
        cmocka_unit_test(test_last_hop_is_drawn_anew),
        cmocka_unit_test(test_last_hop_has_the_role),
        cmocka_unit_test(test_stem_again_keeps_its_hops),
        cmocka_unit_test(test_stems_without_memory),
    };

    return cmocka_run_group_tests_name("stem", tests, NULL, NULL);
}
