/* SPDX-License-Identifier: MIT
 *
 * What is said of a node that has joined and is of little use: nobody reaches
 * it, or it does not know where. Its neighbours are scripted: they answer, say
 * as whom they see it, and never ask. Time that has to pass for health does
 * not pass here: it is asked about later moments.
 */
#include "node/host/health.h"

#include "base/timestamp.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "testing.h"
#include "warren.h"
#include "wire/krpc/dht_message.h"

#include <event2/event.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define NEIGHBOURS 4

struct neighbour {
    int fd;
    struct id id;
    struct event *readable;
    struct endpoint claim; /* port 0: says nothing */
};

static struct {
    struct event_base *base;
    struct log *log;
    char dir[64];
    struct node *node;
    struct neighbour neighbour[NEIGHBOURS];
    char through[NEIGHBOURS * 32];
    bool no_room; /* the neighbours store nothing: they give no token */
    enum dht_dialect dialect; /* that they speak */
} w;

static void no_log(void *arg, enum log_level level, const char *line)
{
    (void)arg, (void)level, (void)line;
}

/* ---- Neighbours --------------------------------------------------------- */

static void on_query(evutil_socket_t fd, short what, void *arg)
{
    struct neighbour *n = arg;
    uint8_t query[1500], answer[DHT_MESSAGE_MAX];
    struct sockaddr_storage from;
    socklen_t from_len = sizeof(from);
    ssize_t len = recvfrom(fd, query, sizeof(query), 0,
                           (struct sockaddr *)&from, &from_len);
    struct dht_message q, m;
    size_t size;

    (void)what;
    if (len <= 0 ||
        dht_message_read(w.dialect, bytes_of(query, (size_t)len), &q) != OK ||
        q.kind != DHT_QUERY)
        return;
    dht_message_init(&m, DHT_RESPONSE);
    m.transaction = q.transaction;
    m.id = n->id;
    m.has |= DHT_HAS_ID;
    if (n->claim.port != 0) {
        m.ip = n->claim;
        m.has |= DHT_HAS_IP;
    }
    if (!w.no_room && (q.method == DHT_GET || q.method == DHT_GET_PEERS)) {
        m.token = TEST_BYTES("tokentok");
        m.has |= DHT_HAS_TOKEN;
    }
    assert_int_equal(
        dht_message_write(w.dialect, &m, answer, sizeof(answer), &size), OK);
    sendto(fd, answer, size, 0, (struct sockaddr *)&from, from_len);
}

static void open_neighbour(unsigned i)
{
    struct neighbour *n = &w.neighbour[i];
    struct sockaddr_storage sa;
    struct endpoint ep;
    char at[64];
    size_t len = strlen(w.through);

    snprintf(at, sizeof(at), "127.%u.%u.%u:7990", 20 + (unsigned)getpid() % 200,
             (unsigned)getpid() / 200 % 250, 220 + i);
    assert_int_equal(endpoint_parse(at, &ep), OK);
    n->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(n->fd >= 0);
    assert_int_equal(
        bind(n->fd, (struct sockaddr *)&sa, sockaddr_from_endpoint(&ep, &sa)),
        0);
    randombytes_buf(n->id.b, sizeof(n->id.b));
    n->claim = (struct endpoint){0};
    n->readable = event_new(w.base, n->fd, EV_READ | EV_PERSIST, on_query, n);
    event_add(n->readable, NULL);
    snprintf(w.through + len, sizeof(w.through) - len, "%s%s", i > 0 ? "," : "",
             at);
}

static void claim(unsigned i, const char *seen)
{
    assert_int_equal(endpoint_parse(seen, &w.neighbour[i].claim), OK);
}

/* ---- The node ----------------------------------------------------------- */

static int setup(void **state)
{
    struct log_config quiet = {.level = LEVEL_ERROR};

    (void)state;
    if (sodium_init() < 0)
        return -1;
    memset(&w, 0, sizeof(w));
    w.base = event_base_new();
    w.log = log_new(&quiet, no_log, NULL);
    snprintf(w.dir, sizeof(w.dir), "/tmp/warren-codes-XXXXXX");
    if (mkdtemp(w.dir) == NULL)
        return -1;
    for (unsigned i = 0; i < NEIGHBOURS; i++)
        open_neighbour(i);
    return 0;
}

static int teardown(void **state)
{
    static const char *const files[] = {"warren.db", "warren.db-wal",
                                        "warren.db-shm", "identity.key",
                                        "handshake.key"};
    char path[128];

    (void)state;
    node_free(w.node);
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        event_free(w.neighbour[i].readable);
        close(w.neighbour[i].fd);
    }
    for (size_t f = 0; f < COUNT_OF(files); f++) {
        snprintf(path, sizeof(path), "%s/%s", w.dir, files[f]);
        unlink(path);
    }
    log_free(w.log);
    event_base_free(w.base);
    return rmdir(w.dir);
}

static bool knows_all(void)
{
    const struct dht_host *host =
        w.dialect == DHT_DIALECT_WARREN ? w.node->dht : w.node->mainline;
    struct dht_status s;

    dht_status(dht_host_engine(host), clock_now(), &s);
    return s.nodes[FAMILY_IPV4] == NEIGHBOURS && dht_host_joined(host);
}

static void start_with(const struct warren_setting *settings, size_t count)
{
    struct config_input in = {.settings = settings, .setting_count = count};
    static struct config config;
    struct text why;

    text_init(&why, 1024);
    assert_int_equal(config_load(&in, &config, &why), OK);
    assert_int_equal(node_new(w.base, &config, w.log, NULL, &w.node, &why), OK);
    text_deinit(&why);
}

static void wait_until_it_knows_all(void)
{
    uint64_t end = clock_now() + 20 * TIME_S;
    struct timeval step = {.tv_usec = 10000};

    while (!knows_all()) {
        assert_true(clock_now() < end);
        event_base_loopexit(w.base, &step);
        event_base_dispatch(w.base);
    }
}

static void start(const char *listen, const char *read_only)
{
    const struct warren_setting settings[] = {
        {"node.data_dir", w.dir},         {"node.listen", listen},
        {"node.testing_network", "true"}, {"dht.bootstrap", w.through},
        {"dht.read_only", read_only},
    };

    start_with(settings, COUNT_OF(settings));
    wait_until_it_knows_all();
}

/* An address that other runs do not have. */
static const char *own(void)
{
    static char at[64];

    snprintf(at, sizeof(at), "127.%u.%u.219:7881",
             20 + (unsigned)getpid() % 200, (unsigned)getpid() / 200 % 250);
    return at;
}

/* In the mainline DHT too, through neighbours of that, and with nothing that is
 * configured for its own. */
static void start_mainline(const char *provider, const char *files)
{
    const struct warren_setting settings[] = {
        {"node.data_dir", w.dir},
        {"node.listen", own()},
        {"node.testing_network", "true"},
        {"mainline.enabled", "true"},
        {"mainline.bootstrap", w.through},
        {"tunnel.dht_provider", provider},
        {"mainline.bootstrap_files", files},
    };

    w.dialect = DHT_DIALECT_MAINLINE;
    start_with(settings, COUNT_OF(settings));
}

static bool says(const char *code, uint64_t later, struct health_problem *out)
{
    struct health h;

    health_check(w.node, clock_now() + later, &h);
    for (size_t i = 0; i < h.count; i++) {
        if (strcmp(h.problems[i].code, code) != 0)
            continue;
        *out = h.problems[i];
        return true;
    }
    return false;
}

/* ---- Tests -------------------------------------------------------------- */

static void test_health_unreachable(void **state)
{
    struct health_problem p;

    (void)state;
    start(own(), "false");
    assert_false(says("unreachable", 9 * TIME_MIN, &p));
    assert_true(says("unreachable", 10 * TIME_MIN, &p));
    assert_int_equal(p.level, HEALTH_WARNING);
    assert_string_equal(p.what,
                        "no query of another node has reached this one");
    assert_non_null(strstr(p.remedy, "read_only"));
}

static void test_health_unreachable_behind_nat(void **state)
{
    struct health_problem p;

    (void)state;
    for (unsigned i = 0; i < NEIGHBOURS; i++)
        claim(i, "198.51.100.7:4000");
    start(own(), "false");
    assert_true(says("unreachable", 10 * TIME_MIN, &p));
    assert_non_null(strstr(p.what, "see as 198.51.100.7:4000"));
    assert_non_null(strstr(p.what, "NAT"));
}

/* Who asks only does not expect to be asked. */
static void test_health_unreachable_read_only(void **state)
{
    struct health_problem p;

    (void)state;
    start(own(), "true");
    assert_false(says("unreachable", TIME_HOUR, &p));
    assert_false(says("no_address", TIME_HOUR, &p));
}

static void test_health_no_address(void **state)
{
    struct health_problem p;

    (void)state;
    start("0.0.0.0:0", "false");
    if (tunnel_host_addresses(w.node->tunnels)->count > 0)
        skip(); /* this machine has a global address */
    assert_false(says("no_address", 50 * TIME_S, &p));
    assert_true(says("no_address", 61 * TIME_S, &p));
    assert_int_equal(p.level, HEALTH_NOTE);
    assert_non_null(strstr(p.what, "does not know the address"));
    assert_non_null(strstr(p.remedy, "`addresses`"));
}

/* Each neighbour sees another port. */
static void test_health_no_address_symmetric_nat(void **state)
{
    static const char *const seen[] = {"198.51.100.7:4000", "198.51.100.7:4001",
                                       "198.51.100.7:4002",
                                       "198.51.100.7:4003"};
    struct health_problem p;

    (void)state;
    for (unsigned i = 0; i < NEIGHBOURS; i++)
        claim(i, seen[i]);
    start("0.0.0.0:0", "false");
    assert_true(says("no_address", 61 * TIME_S, &p));
    assert_non_null(strstr(p.what, "does not know the port"));
    assert_non_null(strstr(p.what, "symmetric NAT"));
    assert_non_null(strstr(p.remedy, "forward a port"));
}

static bool is_published(enum dht_published as)
{
    struct dht_status s;

    dht_status(dht_host_engine(w.node->dht), clock_now(), &s);
    return s.publications > 0 && s.published[as] == s.publications;
}

static void announce(enum dht_published becomes)
{
    static const struct dht_handler nobody = {0};
    struct timeval step = {.tv_usec = 10000};
    uint64_t end = clock_now() + 10 * TIME_S;
    struct id hash = {.b = {0xab}};

    assert_int_equal(
        dht_host_announce(w.node->dht, &hash, 4000, false, &nobody, NULL), OK);
    while (!is_published(becomes)) {
        assert_true(clock_now() < end);
        event_base_loopexit(w.base, &step);
        event_base_dispatch(w.base);
    }
}

/* Joined, and answered by all, and yet nobody will find it. */
static void test_health_not_findable(void **state)
{
    struct health_problem p;

    (void)state;
    w.no_room = true;
    start(own(), "true");
    announce(DHT_PUBLISHED_FAILING);
    assert_false(says("not_findable", 20 * TIME_S, &p));
    assert_true(says("not_findable", 31 * TIME_S, &p));
    assert_int_equal(p.level, HEALTH_ERROR);
    assert_non_null(strstr(p.what, "no node takes"));
    assert_non_null(strstr(p.remedy, "the other nodes are full"));
}

static void test_health_findable(void **state)
{
    struct health_problem p;

    (void)state;
    start(own(), "true");
    announce(DHT_PUBLISHED_STORED);
    assert_false(says("not_findable", 31 * TIME_S, &p));
}

/* Nothing is wrong with who is there for the mainline DHT. */
static void test_health_mainline_only(void **state)
{
    struct health_problem p;

    (void)state;
    start_mainline("builtin", "");
    wait_until_it_knows_all();
    assert_false(says("alone", 0, &p));
    assert_true(says("mainline_only", 0, &p));
    assert_int_equal(p.level, HEALTH_NOTE);
    assert_non_null(strstr(p.remedy, "nothing, if that is what it is for"));
}

static void test_health_finding_relays(void **state)
{
    static const char *const never[] = {"alone", "mainline_only"};
    struct health_problem p;

    (void)state;
    start_mainline("both", "");
    for (size_t i = 0; i < COUNT_OF(never); i++)
        assert_false(says(never[i], 0, &p));
    /* That is the reason, until it has joined. */
    assert_true(says("no_mainline", 0, &p));
    assert_false(says("finding_relays", 0, &p));
    wait_until_it_knows_all();
    for (size_t i = 0; i < COUNT_OF(never); i++)
        assert_false(says(never[i], 0, &p));
    assert_true(says("finding_relays", 0, &p));
    assert_int_equal(p.level, HEALTH_NOTE);
    assert_non_null(strstr(p.what, "looked for in the mainline DHT"));
    assert_non_null(strstr(p.what, "takes a minute or so"));
    assert_null(strstr(p.remedy, "bootstrap"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_health_unreachable),
        TEST(test_health_unreachable_behind_nat),
        TEST(test_health_unreachable_read_only),
        TEST(test_health_no_address),
        TEST(test_health_no_address_symmetric_nat),
        TEST(test_health_not_findable),
        TEST(test_health_findable),
        TEST(test_health_mainline_only),
        TEST(test_health_finding_relays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
