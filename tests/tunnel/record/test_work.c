/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "tunnel/record/work.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

static struct work_task task_of(uint32_t effort)
{
    struct work_task task = {.effort = effort};

    memset(task.seed, 1, sizeof(task.seed));
    memset(task.auth_id, 2, sizeof(task.auth_id));
    memset(task.e, 3, sizeof(task.e));
    return task;
}

static struct work_proof solved(const struct work_task *task)
{
    struct work_proof proof;
    uint64_t nonce = 77;

    assert_int_equal(work_solve(task, &nonce, 100000, &proof), OK);
    assert_int_equal(nonce, proof.nonce + 1);
    assert_int_equal(work_verify(task, &proof), OK);
    return proof;
}

static void test_work_solved_and_verified(void **state)
{
    (void)state;
    for (uint32_t effort = 1; effort <= 64; effort *= 4) {
        struct work_task task = task_of(effort);

        (void)solved(&task);
    }
}

/* About `effort` tries a solution. */
static void test_work_takes_the_effort(void **state)
{
    struct work_task task = task_of(16);
    struct work_proof proof;
    uint64_t nonce = 0;
    unsigned found = 0;

    (void)state;
    for (int i = 0; i < 1600; i++)
        found += work_solve(&task, &nonce, 1, &proof) == OK;
    assert_in_range(found, 60, 140);
    assert_int_equal(nonce, 1600);
}

static void test_work_in_small_steps(void **state)
{
    struct work_task task = task_of(64);
    struct work_proof whole = solved(&task), proof;
    uint64_t nonce = 77;
    enum error e = ERR_NOT_FOUND;

    (void)state;
    assert_int_equal(work_solve(&task, &nonce, 0, &proof), ERR_NOT_FOUND);
    assert_int_equal(nonce, 77);
    for (unsigned i = 0; e == ERR_NOT_FOUND; i++) {
        assert_in_range(i, 0, 10000);
        e = work_solve(&task, &nonce, 1, &proof);
        assert_int_equal(nonce, 78 + i);
    }
    assert_int_equal(e, OK);
    assert_int_equal(proof.nonce, whole.nonce);
    assert_memory_equal(proof.digest, whole.digest, WORK_DIGEST_BYTES);
}

/* The work of one is none for another point, handshake, seed or effort. */
static void test_work_is_bound(void **state)
{
    struct work_task task = task_of(64);
    struct work_proof proof = solved(&task);
    uint8_t *parts[] = {task.seed, task.auth_id, task.e};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i][7] ^= 1;
        assert_int_not_equal(work_verify(&task, &proof), OK);
        parts[i][7] ^= 1;
    }
    for (uint32_t effort = 0; effort < 200; effort++) {
        task.effort = effort;
        if (effort != 64)
            assert_int_not_equal(work_verify(&task, &proof), OK);
    }
    task.effort = UINT32_MAX; /* lucky for a higher claim: no */
    assert_int_equal(work_verify(&task, &proof), ERR_TOKEN);
    task.effort = 64;
    proof.nonce ^= 1;
    assert_int_not_equal(work_verify(&task, &proof), OK);
    proof.nonce ^= 1;
    for (unsigned bit = 0; bit < 8 * WORK_DIGEST_BYTES; bit++) {
        proof.digest[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(work_verify(&task, &proof), OK);
        proof.digest[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(work_verify(&task, &proof), OK);
}

static void test_work_of_no_effort(void **state)
{
    struct work_task task = task_of(0);
    struct work_proof proof = {0};
    uint64_t nonce = 0;

    (void)state;
    assert_false(work_is_plausible(&task, &proof));
    assert_int_equal(work_verify(&task, &proof), ERR_TOKEN);
    assert_int_equal(work_solve(&task, &nonce, 2, &proof), ERR_NOT_FOUND);
}

/* Digests made up cost the one who verifies nothing much, but for one in
 * `effort`; and for that the one who sends them has as many hashes to do. */
static void test_work_false_digests_are_cheap(void **state)
{
    struct test_random random = test_seed(3);
    struct work_task task = task_of(1024);
    struct work_proof proof;
    unsigned plausible = 0;

    (void)state;
    for (int i = 0; i < 102400; i++) {
        proof.nonce = test_random_next(&random);
        test_random_fill(&random, proof.digest, sizeof(proof.digest));
        if (work_is_plausible(&task, &proof)) {
            plausible++;
            assert_int_equal(work_verify(&task, &proof), ERR_SIGNATURE);
        } else if (i % 64 == 0) {
            assert_int_equal(work_verify(&task, &proof), ERR_TOKEN);
        }
    }
    assert_in_range(plausible, 50, 160);
    /* The largest claim: one in 2^32 would be plausible. */
    task.effort = UINT32_MAX;
    for (int i = 0; i < 10000; i++) {
        proof.nonce = test_random_next(&random);
        assert_false(work_is_plausible(&task, &proof));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_solved_and_verified),
        cmocka_unit_test(test_work_takes_the_effort),
        cmocka_unit_test(test_work_in_small_steps),
        cmocka_unit_test(test_work_is_bound),
        cmocka_unit_test(test_work_of_no_effort),
        cmocka_unit_test(test_work_false_digests_are_cheap),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
