/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "base/timestamp.h"
#include "tunnel/record/effort.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WALL 1800000000u

static struct test_random bytes;
static struct effort f;
static uint64_t now, wall;

static void fill(void *ctx, void *out, size_t len)
{
    test_random_fill(ctx, out, len);
}

static const struct random_source source = {.ctx = &bytes, .fill = fill};

static void begin(void)
{
    bytes = test_seed(1);
    now = TIME_HOUR;
    wall = WALL;
    effort_init(&f, &source, wall, now);
}

static bool pass(uint64_t time)
{
    now = time_after(now, time);
    wall += time / TIME_S;
    return effort_tick(&f, &source, wall, now);
}

/* A minute in which so many were refused. */
static uint32_t turn(unsigned refused)
{
    while (refused-- > 0)
        effort_refused(&f);
    pass(EFFORT_TURN);
    return f.asked;
}

/* ---- How much ------------------------------------------------------------ */

static void test_effort_doubles_up_to_its_cap(void **state)
{
    static const uint32_t expected[] = {1024, 2048, 4096, 8192, 8192, 8192};

    (void)state;
    begin();
    assert_int_equal(f.asked, 0);
    assert_int_equal(turn(0), 0);
    /* One refused or a thousand: it is a turn in which there were some. */
    for (unsigned i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(turn(i % 2 == 0 ? 1 : 1000), expected[i]);
}

static void test_effort_falls_by_a_third_until_it_is_off(void **state)
{
    static const uint32_t expected[] = {5461, 3640, 2426, 1617, 1078, 0, 0};

    (void)state;
    begin();
    for (unsigned i = 0; i < 4; i++)
        turn(1);
    assert_int_equal(f.asked, EFFORT_MAX);
    for (unsigned i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(turn(0), expected[i]);
}

static void test_effort_stays_while_the_queue_is_long(void **state)
{
    (void)state;
    begin();
    turn(1);
    effort_queue(&f, 64, 256); /* a quarter is not over a quarter */
    assert_int_equal(turn(0), 0);
    turn(1);
    effort_queue(&f, 65, 256);
    effort_queue(&f, 0, 256); /* it was, in this turn */
    assert_int_equal(turn(0), EFFORT_FIRST);
    assert_int_equal(turn(0), 0); /* each turn is judged anew */
    effort_queue(&f, 256, 256);
    assert_int_equal(turn(0), 0); /* and a queue alone asks for nothing */
}

/* Before the turn is over nothing moves, nor is there anything to do; the first
 * is short. */
static void test_effort_turns_each_minute(void **state)
{
    (void)state;
    begin();
    assert_int_equal(effort_deadline(&f), now + EFFORT_TURN);
    effort_refused(&f);
    assert_int_equal(effort_deadline(&f), now + EFFORT_TURN_FIRST);
    assert_false(pass(EFFORT_TURN_FIRST - TIME_S));
    assert_int_equal(f.asked, 0);
    assert_true(pass(TIME_S));
    assert_int_equal(f.asked, EFFORT_FIRST);
    assert_int_equal(effort_deadline(&f), now + EFFORT_TURN);
    /* Late by half a turn: the next is not late. */
    effort_refused(&f);
    pass(EFFORT_TURN + EFFORT_TURN / 2);
    assert_int_equal(f.asked, 2 * EFFORT_FIRST);
    assert_int_equal(effort_deadline(&f), now + EFFORT_TURN / 2);
}

static void test_effort_after_sleep(void **state)
{
    (void)state;
    for (uint64_t hours = 1; hours <= 4096; hours *= 8) {
        begin();
        for (unsigned i = 0; i < 4; i++)
            turn(1);
        effort_refused(&f);
        assert_true(pass(hours * TIME_HOUR));
        /* What was refused before it slept counts for one turn. */
        assert_true(f.asked <= EFFORT_MAX);
        assert_in_range(effort_deadline(&f), now + 1, now + EFFORT_TURN);
        for (unsigned i = 0; i < 7; i++)
            turn(0);
        assert_int_equal(f.asked, 0);
    }
}

/* What is published follows by more than 15 %, and a new seed. */
static void test_effort_tells_what_is_to_be_published(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 70; i++) /* a new seed that nobody needs */
        assert_false(pass(EFFORT_TURN));
    effort_refused(&f);
    assert_true(pass(EFFORT_TURN));
    assert_false(pass(0)); /* once */
    effort_queue(&f, 2, 4);
    assert_false(pass(EFFORT_TURN)); /* nothing has changed */
    f.published = 891;               /* 133 * 100 <= 891 * 15 */
    effort_queue(&f, 2, 4);
    assert_false(pass(EFFORT_TURN));
    f.published = 890;
    effort_queue(&f, 2, 4);
    assert_true(pass(EFFORT_TURN));
    assert_int_equal(f.published, f.asked);
    assert_true(pass(EFFORT_TURN)); /* it is off */
    assert_int_equal(f.published, 0);
}

/* ---- Seeds --------------------------------------------------------------- */

static enum effort_verdict check(struct work_task *task,
                                 const struct work_proof *proof,
                                 const uint8_t seed[16])
{
    uint8_t hint[WORK_HINT_BYTES];

    work_hint(seed, task->auth_id, hint);
    return effort_check(&f, hint, task, proof, now);
}

/* Of the effort that is asked for, and with the newest seed. */
static struct work_proof solve(struct work_task *task, uint8_t auth_id)
{
    struct work_proof proof;
    uint64_t nonce = 77;

    *task = (struct work_task){.effort = f.asked};
    memset(task->auth_id, auth_id, sizeof(task->auth_id));
    memset(task->e, 3, sizeof(task->e));
    memcpy(task->seed, f.seed[0], sizeof(task->seed));
    assert_int_equal(work_solve(task, &nonce, 100000, &proof), OK);
    return proof;
}

static void test_effort_two_seeds_count(void **state)
{
    uint8_t first[16], second[16];
    struct work_proof proof;
    struct work_task task;

    (void)state;
    begin();
    f.asked = 4;
    memcpy(first, f.seed[0], sizeof(first));
    proof = solve(&task, 1);
    assert_int_equal(check(&task, &proof, first), EFFORT_GOOD);
    assert_int_equal(check(&task, &proof, f.seed[1]), EFFORT_NONE);
    wall += EFFORT_SEED_LIFE - 1;
    effort_tick(&f, &source, wall, now);
    assert_memory_equal(f.seed[0], first, sizeof(first));
    wall++;
    assert_true(effort_tick(&f, &source, wall, now));
    assert_int_equal(f.seed_until, wall + EFFORT_SEED_LIFE);
    memcpy(second, f.seed[0], sizeof(second));
    assert_memory_not_equal(second, first, sizeof(first));
    assert_int_equal(check(&task, &proof, first), EFFORT_GOOD);
    /* The work is of the seed that it names. */
    assert_int_equal(check(&task, &proof, second), EFFORT_BAD);
    wall += EFFORT_SEED_LIFE;
    assert_true(effort_tick(&f, &source, wall, now));
    assert_int_equal(check(&task, &proof, first), EFFORT_NONE);
    proof = solve(&task, 1);
    assert_int_equal(check(&task, &proof, f.seed[0]), EFFORT_GOOD);
}

/* A hint is of one introduction point: two do not see that they are of one
 * service, and work done for one is none at the other. */
static void test_effort_hints_are_of_one_point(void **state)
{
    uint8_t hint[2][WORK_HINT_BYTES];
    struct work_proof proof;
    struct work_task task;

    (void)state;
    begin();
    f.asked = 64;
    proof = solve(&task, 1);
    work_hint(f.seed[0], task.auth_id, hint[0]);
    memset(task.auth_id, 2, sizeof(task.auth_id));
    work_hint(f.seed[0], task.auth_id, hint[1]);
    assert_memory_not_equal(hint[0], hint[1], WORK_HINT_BYTES);
    assert_int_equal(effort_check(&f, hint[0], &task, &proof, now),
                     EFFORT_NONE);
    assert_int_equal(effort_check(&f, hint[1], &task, &proof, now), EFFORT_BAD);
}

/* ---- Checks -------------------------------------------------------------- */

static void test_effort_verdicts(void **state)
{
    struct work_proof proof, false_one;
    struct work_task task, other;

    (void)state;
    begin();
    f.asked = 16;
    proof = solve(&task, 1);
    assert_int_equal(check(&task, &proof, f.seed[0]), EFFORT_GOOD);
    f.asked = 17; /* more is asked for now */
    assert_int_equal(check(&task, &proof, f.seed[0]), EFFORT_NONE);
    f.asked = 0; /* and now nothing is */
    assert_int_equal(check(&task, &proof, f.seed[0]), EFFORT_NONE);
    f.asked = 16;
    false_one = proof;
    false_one.nonce++;
    assert_int_equal(check(&task, &false_one, f.seed[0]), EFFORT_BAD);
    other = task; /* claimed to be more: bound to the effort */
    other.effort = UINT32_MAX;
    assert_int_equal(check(&other, &proof, f.seed[0]), EFFORT_BAD);
    other = task; /* stolen by who has another handshake */
    other.e[0] ^= 1;
    assert_int_equal(check(&other, &proof, f.seed[0]), EFFORT_BAD);
}

/* Claims, good or false, move nothing: only who finds no room does. */
static void test_effort_follows_no_claims(void **state)
{
    struct work_proof proof;
    struct work_task task;

    (void)state;
    begin();
    f.asked = EFFORT_FIRST;
    proof = (struct work_proof){.nonce = 5};
    for (unsigned minute = 0; minute < 3; minute++) {
        for (uint32_t n = 0; n < 1000; n++) {
            task = (struct work_task){.effort = UINT32_MAX - n};
            check(&task, &proof, f.seed[0]);
        }
        effort_queue(&f, 2, 4);
        assert_int_equal(turn(0), EFFORT_FIRST);
    }
    effort_tick(&f, &source, wall, now);
    f.asked = 4;
    proof = solve(&task, 1);
    assert_int_equal(check(&task, &proof, f.seed[0]), EFFORT_GOOD);
    assert_int_equal(turn(0), 0);
}

/* While many claim falsely it does not fall below the least; a few, or claims
 * while nothing is asked for, keep nothing up. */
static void test_effort_stays_while_many_claim_falsely(void **state)
{
    const struct work_proof proof = {.nonce = 5};
    struct work_task task;

    (void)state;
    begin();
    for (unsigned minute = 0; minute < 3; minute++) {
        unsigned claims = minute == 1 ? EFFORT_MANY_BAD : EFFORT_MANY_BAD + 1;

        f.asked = minute < 2 ? EFFORT_FIRST : 0;
        while (claims-- > 0) {
            task = (struct work_task){.effort = UINT32_MAX - claims};
            check(&task, &proof, f.seed[0]);
        }
        assert_int_equal(turn(0), minute == 0 ? EFFORT_FIRST : 0);
    }
    f.asked = EFFORT_MAX;
    for (unsigned minute = 0; minute < 20; minute++) {
        for (unsigned n = 0; n <= EFFORT_MANY_BAD; n++) {
            task = (struct work_task){.effort = UINT32_MAX - n};
            check(&task, &proof, f.seed[0]);
        }
        assert_true(turn(0) >= EFFORT_FIRST);
    }
    assert_int_equal(f.asked, EFFORT_FIRST);
    assert_int_equal(turn(0), 0);
}

/* At most EFFORT_CHECKS a second are checked by Argon2id: what comes beyond
 * that waits, and what is implausible costs nothing of it. */
static void test_effort_checks_have_a_budget(void **state)
{
    unsigned burst = EFFORT_CHECKS / 4, bad = 0;
    struct work_proof proof = {0}, good;
    struct work_task task;

    (void)state;
    begin();
    f.asked = 64;
    good = solve(&task, 1);
    for (unsigned n = 0; n < 10000 && bad < 10; n++) { /* implausible */
        proof.digest[0] = (uint8_t)n;
        proof.digest[1] = (uint8_t)(n >> 8);
        if (!work_is_plausible(&task, &proof))
            bad += check(&task, &proof, f.seed[0]) == EFFORT_BAD;
    }
    assert_int_equal(bad, 10);
    f.asked = task.effort = 1; /* everything is plausible: false digests */
    for (unsigned n = 0; n < burst; n++)
        assert_int_equal(check(&task, &proof, f.seed[0]), EFFORT_BAD);
    for (unsigned n = 0; n < 1000; n++)
        assert_int_equal(check(&task, &proof, f.seed[0]), EFFORT_LATER);
    task.effort = 64; /* an honest one waits, too, and not for long */
    assert_int_equal(check(&task, &good, f.seed[0]), EFFORT_LATER);
    now += TIME_S / EFFORT_CHECKS;
    assert_int_equal(check(&task, &good, f.seed[0]), EFFORT_GOOD);
    assert_int_equal(check(&task, &good, f.seed[0]), EFFORT_LATER);
    now += TIME_HOUR; /* never more than the burst at once */
    for (unsigned n = 0; n < burst; n++)
        assert_int_equal(check(&task, &good, f.seed[0]), EFFORT_GOOD);
    assert_int_equal(check(&task, &good, f.seed[0]), EFFORT_LATER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_effort_doubles_up_to_its_cap),
        cmocka_unit_test(test_effort_falls_by_a_third_until_it_is_off),
        cmocka_unit_test(test_effort_stays_while_the_queue_is_long),
        cmocka_unit_test(test_effort_turns_each_minute),
        cmocka_unit_test(test_effort_after_sleep),
        cmocka_unit_test(test_effort_tells_what_is_to_be_published),
        cmocka_unit_test(test_effort_two_seeds_count),
        cmocka_unit_test(test_effort_hints_are_of_one_point),
        cmocka_unit_test(test_effort_verdicts),
        cmocka_unit_test(test_effort_follows_no_claims),
        cmocka_unit_test(test_effort_stays_while_many_claim_falsely),
        cmocka_unit_test(test_effort_checks_have_a_budget),
    };

    return cmocka_run_group_tests_name("effort", tests, NULL, NULL);
}
