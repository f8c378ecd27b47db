/* SPDX-License-Identifier: MIT
 *
 * A process that writes is killed at a random moment, a hundred times: the
 * file always opens clean, holds each flush that returned OK, and holds the
 * one after it wholly or not at all.
 */
#include "store_fixture.h"
#include "testing.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define ROUNDS      100
#define BATCH_NODES 30
#define BATCH_ITEMS 3

/* Everything of a batch carries its number. Nodes rotate through a few sets
 * of keys, so that rows are both added and replaced. */
static enum error put_batch(struct store *s, uint32_t batch)
{
    struct bytes number = bytes_of(&batch, sizeof(batch));
    enum error err = store_put_setting(s, "batch", number);

    for (uint32_t n = 0; n < BATCH_NODES && err == OK; n++) {
        struct store_node node = make_node(batch % 7 * BATCH_NODES + n, batch);

        err = store_put_node(s, (enum store_dht)(n % STORE_DHTS), &node);
    }
    for (uint32_t n = 0; n < BATCH_ITEMS && err == OK; n++) {
        struct store_item item = make_item(900 + n);

        item.since = batch;
        err = store_put_item(s, STORE_DHT, &item);
    }
    return err;
}

/* Never returns: writes batches after `batch`, and their numbers to `ack`
 * when they are safe. */
static void child_writes(struct fixture *f, uint32_t batch, int ack)
{
    struct store *s;

    if (store_open(f->dir, &f->options, &s, NULL) != OK)
        _exit(1);
    for (;;) {
        batch++;
        if (put_batch(s, batch) != OK || store_flush(s, batch) != OK)
            _exit(2);
        if (write(ack, &batch, sizeof(batch)) != sizeof(batch))
            _exit(3);
    }
}

/* Starts a writer, kills it after `us`; the last batch that it called safe,
 * or `batch`. */
static uint32_t run_and_kill(struct fixture *f, uint32_t batch, uint32_t us)
{
    struct timespec delay = {.tv_nsec = (long)us * 1000};
    int fds[2], status;
    uint32_t number;
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_writes(f, batch, fds[1]);
    close(fds[1]);
    nanosleep(&delay, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* it had not failed before */
    while (read(fds[0], &number, sizeof(number)) == sizeof(number))
        batch = number;
    close(fds[0]);
    return batch;
}

struct whole {
    uint32_t batch;
    int items;
};

static void check_item_batch(void *ctx, const struct store_item *item)
{
    struct whole *w = ctx;

    assert_true(item->since == w->batch);
    w->items++;
}

/* What the file holds is the whole of one batch; its number. */
static uint32_t check_file(struct fixture *f)
{
    struct whole w = {0, 0};
    size_t len, count = 0;
    struct node_list l;

    fixture_open(f);
    assert_int_not_equal(f->report.how, STORE_REPLACED);
    if (store_get_setting(f->store, "batch", (uint8_t *)&w.batch,
                          sizeof(w.batch), &len) == OK) {
        for (int d = 0; d < STORE_DHTS; d++) {
            size_t of_batch = 0;

            l = list_nodes_of(f->store, (enum store_dht)d, 10000);
            while (of_batch < l.count && l.nodes[of_batch].last_seen == w.batch)
                of_batch++;
            count += of_batch;
            free(l.nodes);
        }
        assert_int_equal(count, BATCH_NODES);
        assert_int_equal(
            store_each_item(f->store, STORE_DHT, check_item_batch, &w), OK);
        assert_int_equal(w.items, BATCH_ITEMS);
    }
    fixture_close(f);
    return w.batch;
}

static void test_kill_loses_at_most_the_last_batch(void **state)
{
    struct fixture *f = *state;
    struct test_random r = test_seed((uint64_t)time(NULL));
    uint32_t batch = 0, written = 0, restarts = 0;

    for (int round = 0; round < ROUNDS; round++) {
        uint32_t safe, found;

        if (round % 10 == 0) { /* some are killed while making the file */
            fixture_empty_dir(f);
            batch = 0;
        }
        safe = run_and_kill(f, batch, test_random_below(&r, 30000));
        found = check_file(f);
        assert_in_range(found, safe, safe + 1);
        restarts += safe > batch;
        written += found - batch;
        batch = found;
    }
    printf("%u batches in %d runs, %u of which wrote\n", written, ROUNDS,
           restarts);
    assert_true(restarts > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_kill_loses_at_most_the_last_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
