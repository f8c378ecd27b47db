/* SPDX-License-Identifier: MIT
 *
 * What is said of circuits that are missing, and when: nodes in one process,
 * an exit, a client that has to keep circuits of one hop, and an exit that
 * comes later. The time that health is asked about is the test's; that of the
 * nodes is real.
 */
#include "node/host/health.h"

#include "base/timestamp.h"
#include "node/os/clock.h"
#include "testing.h"
#include "warren.h"

#include <event2/event.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { EXIT, CLIENT, OTHER_EXIT, NODES };

static struct {
    struct event_base *base;
    struct log *log;
    char dir[NODES][64];
    struct node *node[NODES];
    struct text why;
} w;

static void no_log(void *arg, enum log_level level, const char *line)
{
    (void)arg, (void)level, (void)line;
}

/* On addresses that other runs do not have. */
static void address(int which, char out[64])
{
    snprintf(out, 64, "127.%u.%u.%d:7881", 20 + (unsigned)getpid() % 200,
             (unsigned)getpid() / 200 % 250, 201 + which);
}

static void start(int which)
{
    char at[64], through[64];
    const struct warren_setting settings[] = {
        {"node.data_dir", w.dir[which]},
        {"node.listen", at},
        {"node.testing_network", "true"},
        {"exit.become_exitnode", which == CLIENT ? "false" : "true"},
        {"dht.bootstrap", which == EXIT ? "" : through},
        {"tunnel.build", which == CLIENT ? "1" : ""},
        /* It publishes nothing, which might not be findable yet. */
        {"tunnel.max_relays_or_exits", which == CLIENT ? "0" : "1000"},
    };
    struct config_input in = {.settings = settings,
                              .setting_count = COUNT_OF(settings)};
    static struct config config;

    address(which, at);
    address(which == CLIENT ? EXIT : CLIENT, through);
    assert_int_equal(config_load(&in, &config, &w.why), OK);
    assert_int_equal(
        node_new(w.base, &config, w.log, NULL, &w.node[which], &w.why), OK);
}

static void stop(int which)
{
    node_free(w.node[which]);
    w.node[which] = NULL;
}

static int setup(void **state)
{
    struct log_config quiet = {.level = LEVEL_ERROR};

    (void)state;
    if (sodium_init() < 0)
        return -1;
    text_init(&w.why, 1024);
    w.base = event_base_new();
    w.log = log_new(&quiet, no_log, NULL);
    for (int i = 0; i < NODES; i++) {
        snprintf(w.dir[i], sizeof(w.dir[i]), "/tmp/warren-health-XXXXXX");
        if (mkdtemp(w.dir[i]) == NULL)
            return -1;
    }
    start(EXIT);
    start(CLIENT);
    return 0;
}

static int teardown(void **state)
{
    static const char *const files[] = {"warren.db",     "warren.db-wal",
                                        "warren.db-shm", "identity.key",
                                        "handshake.key", "handshake.previous"};
    char path[128];
    int left = 0;

    (void)state;
    for (int i = 0; i < NODES; i++) {
        node_free(w.node[i]);
        for (size_t f = 0; f < COUNT_OF(files); f++) {
            snprintf(path, sizeof(path), "%s/%s", w.dir[i], files[f]);
            unlink(path);
        }
        left += rmdir(w.dir[i]);
    }
    log_free(w.log);
    event_base_free(w.base);
    text_deinit(&w.why);
    return left;
}

/* Runs the nodes until `holds`, for 20 s at most. */
static void run_until(bool (*holds)(void))
{
    uint64_t end = clock_now() + 20 * TIME_S;
    struct timeval step = {.tv_usec = 10000};

    while (!holds()) {
        assert_true(clock_now() < end);
        event_base_loopexit(w.base, &step);
        event_base_dispatch(w.base);
    }
}

static struct member *client(void)
{
    return tunnel_host_member(w.node[CLIENT]->tunnels);
}

static bool has_circuits(void)
{
    return member_active(client(), 1, NULL, 0) >= 2;
}

static void close_circuits(void)
{
    uint64_t now = clock_now();
    uint32_t ids[8];
    unsigned count = member_active(client(), 1, ids, COUNT_OF(ids));

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(member_close(client(), ids[i], now), OK);
    member_tick(client(), now, clock_wall());
}

static bool misses_exits(void)
{
    return member_path_of(client(), 1) == PATH_EXITS_FAILING;
}

static void ask_other_exit(void)
{
    struct endpoint ep;
    char at[64];

    address(OTHER_EXIT, at);
    assert_int_equal(endpoint_parse(at, &ep), OK);
    assert_int_equal(member_ask(client(), &ep, clock_now()), OK);
    tunnel_host_rearm(w.node[CLIENT]->tunnels);
}

/* What would be said `later`, and whether /health would say 200 then. */
static bool is_healthy(uint64_t later, struct health_problem *circuits)
{
    struct health health;
    struct text reason;
    bool ok;

    health_check(w.node[CLIENT], clock_now() + later, &health);
    text_init(&reason, HEALTH_TEXT_SIZE);
    ok = health_is_ok(&health, &reason);
    assert_true(ok == (text_get(&reason)[0] == '\0'));
    text_deinit(&reason);
    circuits->code = NULL;
    for (size_t i = 0; i < health.count; i++)
        if (strcmp(health.problems[i].code, "no_circuits") == 0)
            *circuits = health.problems[i];
    return ok;
}

static void test_health_gives_a_pool_a_minute(void **state)
{
    struct health_problem p;

    (void)state;
    run_until(has_circuits);
    assert_true(is_healthy(0, &p));
    assert_true(is_healthy(TIME_HOUR, &p));
    assert_null(p.code);

    /* Others are built: that may take a minute. */
    close_circuits();
    assert_int_equal(member_active(client(), 1, NULL, 0), 0);
    assert_int_equal(member_path_of(client(), 1), PATH_FOUND);
    assert_true(is_healthy(50 * TIME_S, &p));
    assert_null(p.code);
    assert_false(is_healthy(61 * TIME_S, &p));
    assert_non_null(strstr(p.what, "none could be built through them"));

    run_until(has_circuits);

    /* A role that is missing is said at once, but is no error before. */
    stop(EXIT);
    run_until(misses_exits);
    assert_true(is_healthy(0, &p));
    assert_non_null(p.code);
    assert_int_equal(p.level, HEALTH_WARNING);
    assert_non_null(strstr(p.what, "no circuit of 1 hop is ready"));
    assert_non_null(strstr(p.what, "all exits that would do failed lately"));
    assert_true(strlen(p.remedy) > 0);
    assert_true(is_healthy(50 * TIME_S, &p));
    assert_false(is_healthy(61 * TIME_S, &p));
    assert_int_equal(p.level, HEALTH_ERROR);

    /* Of a length that nobody configured it is a warning however long. */
    w.node[CLIENT]->config.tunnel_build[1] = false;
    assert_true(is_healthy(61 * TIME_S, &p));
    assert_int_equal(p.level, HEALTH_WARNING);
    w.node[CLIENT]->config.tunnel_build[1] = true;

    start(OTHER_EXIT);
    ask_other_exit();
    run_until(has_circuits);
    assert_true(is_healthy(61 * TIME_S, &p));
    assert_null(p.code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health_gives_a_pool_a_minute),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
