/* SPDX-License-Identifier: MIT
 *
 * The host around an engine that the test plays: it notes what is asked. */
#include "node/service/service_host.h"

#include "fail_alloc.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "node/service/service_memory.h"
#include "store/store.h"
#include "testing.h"

#include <event2/event.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- The engine --------------------------------------------------------- */

struct fake {
    uint32_t id;
    bool is_string, left, withdrawn;
    uint8_t secret[32];
    struct service_options options;
    unsigned points, seqs, third; /* remembered */
    unsigned reconfigured;
};

static struct fake fakes[64];
static uint32_t fake_count;
static enum error fake_error;
static unsigned fake_room;
static bool fake_remembers; /* a point, from within service_serve */
static struct service_world env;
static struct {
    unsigned count;
    uint64_t peer;
    uint16_t port;
    char payload[64];
} sent;
static unsigned solved;
static struct services *const engine = (struct services *)(void *)fakes;

static struct fake *fake_of(uint32_t id)
{
    assert_in_range(id, 1, fake_count);
    return &fakes[id - 1];
}

static struct service_point_row make_row(uint8_t n)
{
    struct service_point_row row = {.since = 1, .until = 2};

    memset(row.relay.identity, n, 32);
    memset(row.salt, n, sizeof(row.salt));
    assert_int_equal(endpoint_parse("192.0.2.1:7881", &row.relay.ep), OK);
    return row;
}

static enum error fake_start(const uint8_t secret[32], bool is_string,
                             const struct service_options *options,
                             const struct service_memory *memory, uint32_t *id)
{
    struct fake *f = &fakes[fake_count];
    unsigned there = 0;

    if (fake_error != OK)
        return fake_error;
    for (uint32_t i = 0; i < fake_count; i++)
        there += !fakes[i].left;
    if (there >= fake_room)
        return ERR_FULL;
    *f = (struct fake){.id = ++fake_count,
                       .is_string = is_string,
                       .options = *options,
                       .points = memory->point_count,
                       .seqs = memory->seq_count,
                       .third = memory->third.count};
    memcpy(f->secret, secret, 32);
    if (fake_remembers) {
        struct service_point_row row = make_row(7);

        env.remember_point(env.ctx, f->id, &row);
    }
    *id = f->id;
    return OK;
}

__typeof__(service_serve) __wrap_service_serve;
enum error __wrap_service_serve(struct services *s, const uint8_t seed[32],
                                const struct service_options *options,
                                const struct service_memory *memory,
                                uint64_t now, uint32_t *id)
{
    (void)s, (void)now;
    return fake_start(seed, false, options, memory, id);
}

__typeof__(service_join) __wrap_service_join;
enum error __wrap_service_join(struct services *s, struct bytes string,
                               const uint8_t member[32],
                               const struct service_options *options,
                               const struct service_memory *memory,
                               uint64_t now, uint32_t *id)
{
    (void)s, (void)now;
    assert_true(string.len > 0);
    return fake_start(member, true, options, memory, id);
}

__typeof__(service_reach) __wrap_service_reach;
enum error __wrap_service_reach(struct services *s, const uint8_t key[32],
                                const uint8_t access[32], unsigned hops,
                                uint64_t now, uint32_t *id)
{
    const struct service_options options = {.hops = hops};
    const struct service_memory none = {.point_count = 0};

    (void)s, (void)now, (void)access;
    for (uint32_t i = 0; i < fake_count; i++) {
        if (memcmp(fakes[i].secret, key, 32) == 0 && !fakes[i].left) {
            *id = fakes[i].id;
            return OK;
        }
    }
    return fake_start(key, false, &options, &none, id);
}

__typeof__(service_leave) __wrap_service_leave;
enum error __wrap_service_leave(struct services *s, uint32_t id, bool withdraw,
                                uint64_t now)
{
    (void)s, (void)now;
    assert_false(fake_of(id)->left);
    fake_of(id)->left = true;
    fake_of(id)->withdrawn = withdraw;
    return OK;
}

__typeof__(service_reconfigure) __wrap_service_reconfigure;
enum error __wrap_service_reconfigure(struct services *s, uint32_t id,
                                      const struct service_options *options,
                                      uint64_t now)
{
    (void)s, (void)now;
    fake_of(id)->options = *options;
    fake_of(id)->reconfigured++;
    return OK;
}

__typeof__(service_peer_send) __wrap_service_peer_send;
enum error __wrap_service_peer_send(struct services *s, uint64_t peer,
                                    uint16_t port, struct bytes payload,
                                    uint64_t now)
{
    (void)s, (void)now;
    sent.count++;
    sent.peer = peer;
    sent.port = port;
    memset(sent.payload, 0, sizeof(sent.payload));
    memcpy(sent.payload, payload.p, payload.len);
    return peer == 666 ? ERR_NOT_FOUND : OK;
}

__typeof__(service_peers) __wrap_service_peers;
unsigned __wrap_service_peers(const struct services *s, uint32_t id,
                              struct service_peer_status *out, unsigned max)
{
    (void)s, (void)id;
    if (max > 0)
        *out = (struct service_peer_status){.id = 17, .service = id};
    return 1;
}

__typeof__(service_of_peer) __wrap_service_of_peer;
uint32_t __wrap_service_of_peer(const struct services *s, uint64_t peer)
{
    (void)s;
    return peer == 17 ? fakes[0].id : 0;
}

__typeof__(service_get_status) __wrap_service_get_status;
enum error __wrap_service_get_status(const struct services *s, uint32_t id,
                                     uint64_t now, struct service_status *out)
{
    (void)s, (void)now;
    *out = (struct service_status){
        .id = id,
        .kind = fake_of(id)->is_string ? SERVICE_STRING : SERVICE_KEY};
    return OK;
}

__typeof__(services_solved) __wrap_services_solved;
void __wrap_services_solved(struct services *s, uint64_t id, bool found,
                            const struct work_proof *proof, uint64_t now)
{
    (void)s, (void)id, (void)found, (void)proof, (void)now;
    solved++;
}

/* ---- Around it ---------------------------------------------------------- */

static char dir[64];
static struct text why, logged;
static struct event_base *base;
static struct store *store;
static struct log *logger;
static struct service_host *host;
static struct config config;

static void on_log(void *arg, enum log_level level, const char *line)
{
    (void)arg, (void)level;
    text_add(&logged, line);
    text_add(&logged, "\n");
}

static void start(void)
{
    struct service_host_world world = {
        .base = base, .store = store, .log = logger};

    memcpy(world.data_dir, dir, sizeof(dir));
    text_clear(&logged);
    assert_int_equal(service_host_new(&world, &config, &host), OK);
    service_host_env(host, &env);
    service_host_start(host, engine, 1);
}

static void stop(void)
{
    service_host_free(host);
    host = NULL;
    assert_int_equal(store_flush(store, 1), OK);
    for (uint32_t i = 0; i < fake_count; i++)
        fakes[i].left = true;
}

static int setup(void **state)
{
    const struct config_input none = {0};
    const struct log_config log_config = {.level = LEVEL_INFO, .rate = 0};

    (void)state;
    fake_count = 0;
    fake_error = OK;
    fake_room = 64;
    fake_remembers = false;
    sent.count = 0;
    text_init(&why, 2048);
    text_init(&logged, 65536);
    snprintf(dir, sizeof(dir), "/tmp/warren-host-XXXXXX");
    base = event_base_new();
    logger = log_new(&log_config, on_log, NULL);
    return sodium_init() < 0 || mkdtemp(dir) == NULL ||
           config_load(&none, &config, &why) != OK ||
           store_open(dir, NULL, &store, NULL) != OK;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    service_host_free(host);
    host = NULL;
    store_close(store);
    log_free(logger);
    event_base_free(base);
    text_deinit(&why);
    text_deinit(&logged);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

/* Another section, with the defaults. */
static struct config_service *add_section(const char *name)
{
    struct config_service *s = &config.services.at[config.services.count++];

    *s = (struct config_service){.hops = 3, .points = 3, .max_peers = 32};
    snprintf(s->name, sizeof(s->name), "%s", name);
    return s;
}

static void reload(void)
{
    text_clear(&why);
    service_host_reconfigure(host, &config, &why, 2);
}

static void has(const struct text *t, const char *word)
{
    if (strstr(text_get(t), word) == NULL)
        fail_msg("'%s' is not in '%s'", word, text_get(t));
}

static const struct hosted *get(const char *name)
{
    const struct hosted *s = service_host_find(host, name);

    assert_non_null(s);
    return s;
}

static const char *key_path(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/services/%s.key", dir, name);
    return path;
}

/* ---- Tests -------------------------------------------------------------- */

static void test_service_host_section_has_its_key_for_good(void **state)
{
    uint8_t secret[32];

    (void)state;
    add_section("web")->hops = 2;
    strcpy(add_section("club")->string, "chess");
    start();
    assert_int_equal(fake_count, 2);
    assert_false(fakes[0].is_string);
    assert_int_equal(fakes[0].options.hops, 2);
    assert_true(fakes[1].is_string);
    assert_memory_not_equal(fakes[0].secret, fakes[1].secret, 32);
    memcpy(secret, fakes[0].secret, 32);
    stop();
    start();
    assert_int_equal(fake_count, 4);
    assert_memory_equal(fakes[2].secret, secret, 32);
    assert_int_equal(get("web")->id, 3);
    assert_true(get("web")->has_section);
    assert_false(get("web")->by_itself);
    assert_ptr_equal(service_host_by_id(host, 4), get("club"));
}

static void test_service_host_key_by_itself_needs_no_section(void **state)
{
    struct key_file key;

    (void)state;
    add_section("web");
    start();
    key_file_make(&key, bytes_of_text("chess"));
    assert_int_equal(service_host_add(host, "club", &key, &why, 1), OK);
    assert_int_equal(service_host_add(host, "club", &key, &why, 1), ERR_IN_USE);
    stop();
    config.services.count = 0;
    start();
    assert_int_equal(service_host_count(host), 1);
    assert_true(get("club")->by_itself);
    assert_int_equal(get("club")->config.hops, 3);
    /* A section may follow it, without saying the string again. */
    add_section("club")->hops = 1;
    reload();
    assert_int_equal(get("club")->trouble, OK);
    assert_int_equal(fakes[get("club")->id - 1].options.hops, 1);
    config.services.count = 0;
    reload();
    assert_int_equal(get("club")->config.hops, 3);
    assert_false(get("club")->has_section);
}

/* One whose file could not be read at the start is tried by a reload. */
static void test_service_host_unreadable_key_by_itself_stays(void **state)
{
    struct key_file key;
    FILE *f;

    (void)state;
    start();
    key_file_make(&key, bytes_of_text("chess"));
    assert_int_equal(service_host_add(host, "club", &key, &why, 1), OK);
    stop();
    f = fopen(key_path("club"), "w");
    assert_non_null(f);
    fputs("warren-service-1.00ff", f);
    fclose(f);
    start();
    assert_int_equal(get("club")->trouble, ERR_CORRUPT);
    assert_int_equal(unlink(key_path("club")), 0);
    key.by_itself = true;
    assert_int_equal(key_file_create(dir, "club", &key, &why), OK);
    reload();
    assert_int_equal(service_host_count(host), 1);
    assert_int_equal(get("club")->trouble, OK);
    assert_true(get("club")->by_itself);
}

static void test_service_host_finds_a_new_key_among_many(void **state)
{
    const struct service_program program = {.hops = 3};
    struct key_file file;
    uint8_t key[32];
    uint32_t id = 0;

    (void)state;
    start();
    assert_int_equal(service_host_new_key(host, key, &why), OK);
    for (unsigned i = 0; i < 8 * HOSTED_MAX; i++) {
        char name[SERVICE_NAME_SIZE];

        snprintf(name, sizeof(name), "k%u", i);
        key_file_make(&file, bytes_of(NULL, 0));
        assert_int_equal(key_file_create(dir, name, &file, &why), OK);
    }
    assert_int_equal(service_host_run(host, key, &program, &why, 1, &id), OK);
    assert_int_not_equal(id, 0);
}

static void test_service_host_reload_starts_stops_and_changes(void **state)
{
    (void)state;
    add_section("a");
    add_section("b");
    start();
    config.services.count = 0;
    add_section("b")->max_peers = 5;
    add_section("c");
    reload();
    assert_string_equal(text_get(&why), "");
    assert_int_equal(service_host_count(host), 2);
    assert_true(fakes[0].left && !fakes[0].withdrawn);
    assert_false(fakes[1].left);
    assert_int_equal(fakes[1].options.max_peers, 5);
    assert_int_equal(fakes[1].reconfigured, 1);
    assert_int_equal(get("c")->id, 3);
    /* The key of one that is taken out stays, and comes back with it. */
    add_section("a");
    reload();
    assert_memory_equal(fakes[3].secret, fakes[0].secret, 32);
}

static void test_service_host_says_why_one_does_not_run(void **state)
{
    struct key_file key;
    FILE *f;

    (void)state;
    strcpy(add_section("club")->string, "chess");
    add_section("web");
    start();
    stop();
    f = fopen(key_path("web"), "w");
    assert_non_null(f);
    fputs("warren-service-1.00ff", f);
    fclose(f);
    strcpy(config.services.at[0].string, "go");
    start();
    assert_int_equal(get("web")->trouble, ERR_CORRUPT);
    assert_int_equal(get("web")->id, 0);
    has(&logged, "service web does not run: ");
    has(&logged, "backup");
    assert_int_equal(get("club")->trouble, ERR_IN_USE);
    assert_non_null(strstr(get("club")->why, "another string"));
    assert_int_equal(fake_count, 2);
    /* Mended, and said again. */
    assert_int_equal(unlink(key_path("web")), 0);
    key_file_make(&key, bytes_of(NULL, 0));
    assert_int_equal(key_file_create(dir, "web", &key, &why), OK);
    reload();
    has(&why, "service club does not run");
    assert_int_equal(get("web")->trouble, OK);
    assert_memory_equal(fakes[2].secret, key.secret, 32);
    assert_string_equal(get("web")->why, "");
}

/* Of one without a section, whose key cannot be read when the node starts. */
static void test_service_host_reload_finds_a_key_that_was_mended(void **state)
{
    struct key_file key;

    (void)state;
    start();
    key_file_make(&key, bytes_of(NULL, 0));
    assert_int_equal(service_host_add(host, "mine", &key, &why, 1), OK);
    stop();
    assert_int_equal(chmod(key_path("mine"), 0644), 0);
    start();
    assert_int_equal(get("mine")->id, 0);
    reload();
    has(&why, "chmod 600");
    assert_int_equal(get("mine")->id, 0);
    assert_int_equal(chmod(key_path("mine"), 0600), 0);
    reload();
    assert_int_equal(get("mine")->trouble, OK);
    assert_memory_equal(fakes[get("mine")->id - 1].secret, key.secret, 32);
}

static void test_service_host_engine_that_refuses_is_heard(void **state)
{
    struct key_file key;

    (void)state;
    fake_error = ERR_FULL;
    add_section("web");
    start();
    assert_non_null(strstr(get("web")->why, "max_services"));
    key_file_make(&key, bytes_of(NULL, 0));
    assert_int_equal(service_host_add(host, "new", &key, &why, 1), ERR_FULL);
    has(&why, "max_services");
    assert_null(service_host_find(host, "new"));
    assert_int_equal(access(key_path("new"), F_OK), -1);
    fake_error = ERR_IN_USE;
    assert_int_equal(service_host_add(host, "new", &key, &why, 1), ERR_IN_USE);
    has(&why, "same key");
    fake_error = OK;
    assert_int_equal(service_host_add(host, "new", &key, &why, 1), OK);
}

static void test_service_host_memory_comes_back_by_name(void **state)
{
    struct service_point_row row = make_row(1);
    struct service_seq_row seq = {.period = 99999, .access = 2, .seq = 7};
    struct vanguard_set set = {.count = 3, .third = true}, layer2;

    (void)state;
    memset(set.list[1].identity, 9, 32);
    set.list[2].provisional = true;
    fake_remembers = true;
    add_section("a");
    add_section("b");
    start();
    env.remember_point(env.ctx, 1, &row);
    env.remember_seq(env.ctx, 1, &seq);
    env.remember_third(env.ctx, 2, &set);
    env.remember_layer2(env.ctx, &set);
    env.remember_point(env.ctx, 77, &row); /* of no name: not kept */
    stop();
    fake_remembers = false;
    start();
    assert_int_equal(fakes[2].points, 2);
    assert_int_equal(fakes[2].seqs, 1);
    assert_int_equal(fakes[2].third, 0);
    assert_int_equal(fakes[3].points, 1);
    assert_int_equal(fakes[3].third, 2);
    service_host_layer2(host, &layer2);
    assert_int_equal(layer2.count, 2);
    assert_memory_equal(layer2.list[1].identity, set.list[1].identity, 32);
    env.forget_point(env.ctx, 3, row.relay.identity);
    stop();
    start();
    assert_int_equal(fakes[4].points, 1);
    assert_int_equal(service_host_counters(host)->not_remembered, 0);
}

static void test_service_host_remove_is_for_good(void **state)
{
    struct service_point_row row = make_row(1);
    struct service_remembered *left = malloc(sizeof(*left));
    struct key_file key;

    (void)state;
    assert_non_null(left);
    add_section("web");
    start();
    assert_int_equal(service_host_remove(host, "web", &why, 1), ERR_IN_USE);
    has(&why, "[service web]");
    assert_int_equal(service_host_remove(host, "other", &why, 1),
                     ERR_NOT_FOUND);
    key_file_make(&key, bytes_of(NULL, 0));
    assert_int_equal(service_host_add(host, "mine", &key, &why, 1), OK);
    env.remember_point(env.ctx, 2, &row);
    assert_int_equal(service_host_remove(host, "mine", &why, 1), OK);
    assert_true(fakes[1].left && fakes[1].withdrawn);
    assert_int_equal(access(key_path("mine"), F_OK), -1);
    assert_null(service_host_find(host, "mine"));
    stop();
    service_memory_load(store, "mine", left);
    assert_int_equal(left->memory.point_count, 0);
    start();
    assert_int_equal(service_host_count(host), 1);
    free(left);
}

/* What is left when the section has gone, whole or damaged. */
static void test_service_host_remove_takes_keys_of_no_section(void **state)
{
    struct key_file key;
    FILE *f;

    (void)state;
    add_section("a");
    add_section("b");
    start();
    config.services.count = 0;
    reload();
    assert_int_equal(service_host_count(host), 0);
    f = fopen(key_path("b"), "w");
    assert_non_null(f);
    fputs("warren-service-1.00ff", f);
    fclose(f);
    key_file_make(&key, bytes_of(NULL, 0));
    assert_int_equal(service_host_add(host, "a", &key, &why, 1), ERR_IN_USE);
    assert_int_equal(service_host_remove(host, "a", &why, 1), OK);
    assert_int_equal(service_host_remove(host, "b", &why, 1), OK);
    assert_int_equal(access(key_path("a"), F_OK), -1);
    assert_int_equal(access(key_path("b"), F_OK), -1);
    assert_int_equal(service_host_remove(host, "a", &why, 1), ERR_NOT_FOUND);
    assert_int_equal(service_host_remove(host, "../a", &why, 1), ERR_NOT_FOUND);
    assert_int_equal(service_host_add(host, "a", &key, &why, 1), OK);
}

static void test_service_host_access_follows_the_file(void **state)
{
    struct key_file key;

    (void)state;
    add_section("web");
    start();
    assert_int_equal(key_file_read(dir, "web", &key, &why), OK);
    assert_int_equal(key_file_allow(&key, "friend", &why), OK);
    assert_int_equal(service_host_change_access(host, "web", &key, &why, 1),
                     OK);
    assert_int_equal(fakes[0].options.access_count, 1);
    stop();
    start();
    assert_int_equal(fakes[1].options.access_count, 1);
    assert_int_equal(service_host_change_access(host, "no", &key, &why, 1),
                     ERR_NOT_FOUND);
}

/* Whatever fails, services that could be started run, and the next start is
 * as if nothing had been. */
static void test_service_host_without_memory(void **state)
{
    struct service_host_world world = {
        .base = base, .store = store, .log = logger};

    (void)state;
    memcpy(world.data_dir, dir, sizeof(dir));
    add_section("a");
    strcpy(add_section("b")->string, "chess");
    for (unsigned n = 1;; n++) {
        enum error err;
        bool more;

        fake_count = 0;
        fail_alloc_at(n);
        err = service_host_new(&world, &config, &host);
        if (err == OK)
            service_host_start(host, engine, 1);
        more = fail_alloc_end();
        if (err == OK)
            service_host_reconfigure(host, &config, &why, 2);
        assert_true(err == OK || (more && err == ERR_NO_MEMORY));
        if (err == OK) {
            assert_int_equal(service_host_count(host), 2);
            assert_int_equal(get("a")->trouble, OK);
            assert_int_equal(get("b")->trouble, OK);
        }
        service_host_free(host);
        host = NULL;
        if (!more)
            break;
        assert_true(n < 1000);
    }
}

/* ---- Data --------------------------------------------------------------- */

static int serve(struct config_service *s, uint16_t port)
{
    struct config_port *p = &s->ports.at[s->ports.count++];
    struct sockaddr_storage sa;
    struct endpoint any;
    socklen_t len;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(endpoint_parse("127.0.0.1:0", &any), OK);
    len = sockaddr_from_endpoint(&any, &sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *p = (struct config_port){.port = port};
    assert_int_equal(sockaddr_to_endpoint((struct sockaddr *)&sa, &p->to), OK);
    return fd;
}

static void tell(enum service_event_kind kind, uint64_t peer, uint16_t port,
                 const char *payload)
{
    struct service_event e = {.kind = kind,
                              .service = 1,
                              .peer = peer,
                              .port = port,
                              .payload = bytes_of_text(payload)};

    env.event(env.ctx, &e);
}

/* Reads one and answers it with `answer`. */
static void expect(int fd, const char *text, const char *answer)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    char buf[256];
    ssize_t n = recvfrom(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT,
                         (struct sockaddr *)&from, &len);

    assert_true(n >= 0);
    buf[n] = '\0';
    assert_string_equal(buf, text);
    assert_true(sendto(fd, answer, strlen(answer), 0, (struct sockaddr *)&from,
                       len) >= 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void test_service_host_data_goes_to_ports_and_back(void **state)
{
    struct config_service *web = add_section("web");
    int fd = serve(web, 53), other = serve(web, 54), moved;

    (void)state;
    start();
    tell(SERVICE_EVENT_DATA, 17, 53, "question");
    expect(fd, "question", "answer");
    assert_int_equal(sent.count, 1);
    assert_true(sent.peer == 17);
    assert_int_equal(sent.port, 53);
    assert_string_equal(sent.payload, "answer");
    tell(SERVICE_EVENT_DATA, 17, 54, "x");
    expect(other, "x", "y");
    assert_int_equal(sent.port, 54);
    tell(SERVICE_EVENT_DATA, 17, 55, "lost");
    assert_int_equal(service_host_counters(host)->no_port, 1);
    assert_int_equal(service_host_ports(host)->sockets, 2);
    tell(SERVICE_EVENT_DATA, 666, 53, "x");
    expect(fd, "x", "to nobody");
    assert_int_equal(service_host_counters(host)->not_sent, 1);
    tell(SERVICE_EVENT_GONE, 666, 0, "");
    assert_int_equal(service_host_ports(host)->sockets, 2);
    /* Port 53 moves, port 54 goes; the sockets with them. */
    web->ports.count = 0;
    moved = serve(web, 53);
    reload();
    assert_int_equal(service_host_ports(host)->sockets, 0);
    tell(SERVICE_EVENT_DATA, 17, 53, "there");
    expect(moved, "there", "yes");
    assert_string_equal(sent.payload, "yes");
    close(moved);
    close(fd);
    close(other);
}

/* Whose it was is said, though the system tells it later. */
static void test_service_host_says_that_nobody_listens(void **state)
{
    (void)state;
    close(serve(add_section("web"), 53));
    start();
    text_clear(&logged);
    tell(SERVICE_EVENT_DATA, 17, 53, "hello");
    event_base_loop(base, EVLOOP_NONBLOCK);
    has(&logged, "service web: a datagram for port 53 was lost: nobody");
    assert_int_equal(service_host_ports(host)->dropped[LOCAL_DROP_REFUSED], 1);
}

static void test_service_host_state_is_said_once(void **state)
{
    struct service_event e = {.kind = SERVICE_EVENT_STATE, .service = 1};
    size_t len;

    (void)state;
    strcpy(add_section("club")->string, "chess");
    start();
    e.problem = SERVICE_NO_POINT;
    env.event(env.ctx, &e);
    has(&logged, service_problem_text(SERVICE_NO_POINT));
    len = logged.len;
    env.event(env.ctx, &e);
    assert_int_equal(logged.len, len);
    e.problem = SERVICE_FINE;
    env.event(env.ctx, &e);
    has(&logged, "service club can be reached");
    assert_int_equal(get("club")->problem, SERVICE_FINE);
}

/* ---- Listeners, services of others -------------------------------------- */

static struct service_listener listeners[3];
static unsigned heard[3];

static void on_event(void *arg, const struct service_event *e)
{
    unsigned i = (unsigned)(uintptr_t)arg;

    (void)e;
    heard[i]++;
    if (i == 1) /* has others leave, and leaves */
        for (unsigned k = 0; k < 3; k++)
            service_host_unlisten(host, &listeners[k]);
}

static void test_service_host_listeners_may_leave_when_told(void **state)
{
    (void)state;
    add_section("web");
    start();
    for (unsigned i = 0; i < 3; i++) {
        heard[i] = 0;
        listeners[i] = (struct service_listener){.arg = (void *)(uintptr_t)i,
                                                 .event = on_event,
                                                 .service = i == 2 ? 99 : 0};
        service_host_listen(host, &listeners[i]);
    }
    tell(SERVICE_EVENT_PEER, 1, 0, "");
    assert_int_equal(heard[2], 0); /* of another service */
    assert_int_equal(heard[1], 1);
    assert_int_equal(heard[0], 0);
    tell(SERVICE_EVENT_PEER, 1, 0, "");
    assert_int_equal(heard[1], 1);
}

static void test_service_host_lets_others_go_when_idle(void **state)
{
    static const uint8_t key[32] = {1}, second[32] = {2};
    uint32_t a, b, again;

    (void)state;
    start();
    assert_int_equal(service_host_reach(host, key, NULL, 3, 1, &a), OK);
    assert_int_equal(service_host_reach(host, key, NULL, 3, 1, &again), OK);
    assert_int_equal(a, again);
    assert_int_equal(service_host_reach(host, second, NULL, 3, 1, &b), OK);
    service_host_let_go(host, a, 10);
    service_host_let_go(host, b, 10);
    service_host_tick(host, 1000000, 10 + REACHED_IDLE - 1);
    assert_false(fakes[0].left || fakes[1].left);
    service_host_tick(host, 1000000, 10 + REACHED_IDLE);
    assert_false(fakes[0].left); /* one still holds it */
    assert_true(fakes[1].left && !fakes[1].withdrawn);
    service_host_let_go(host, a, TIME_HOUR);
    service_host_tick(host, 1000000, TIME_HOUR + REACHED_IDLE);
    assert_true(fakes[0].left);
}

static void test_service_host_idle_one_makes_way(void **state)
{
    static const uint8_t keys[4][32] = {{1}, {2}, {3}, {4}};
    uint32_t id[3];

    (void)state;
    fake_room = 2;
    start();
    assert_int_equal(service_host_reach(host, keys[0], NULL, 3, 1, &id[0]), OK);
    assert_int_equal(service_host_reach(host, keys[1], NULL, 3, 1, &id[1]), OK);
    assert_int_equal(service_host_reach(host, keys[2], NULL, 3, 1, &id[2]),
                     ERR_FULL); /* both are in use */
    service_host_let_go(host, id[1], 5);
    assert_int_equal(service_host_reach(host, keys[2], NULL, 3, 6, &id[2]), OK);
    assert_false(fakes[0].left);
    assert_true(fakes[1].left);
    service_host_let_go(host, id[2], 8);
    service_host_let_go(host, id[0], 7);
    assert_int_equal(service_host_reach(host, keys[3], NULL, 3, 9, &id[1]), OK);
    assert_true(fakes[0].left); /* it rested for longer */
    assert_false(fakes[2].left);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_service_host_section_has_its_key_for_good),
        TEST(test_service_host_key_by_itself_needs_no_section),
        TEST(test_service_host_unreadable_key_by_itself_stays),
        TEST(test_service_host_finds_a_new_key_among_many),
        TEST(test_service_host_reload_starts_stops_and_changes),
        TEST(test_service_host_says_why_one_does_not_run),
        TEST(test_service_host_reload_finds_a_key_that_was_mended),
        TEST(test_service_host_engine_that_refuses_is_heard),
        TEST(test_service_host_memory_comes_back_by_name),
        TEST(test_service_host_remove_is_for_good),
        TEST(test_service_host_remove_takes_keys_of_no_section),
        TEST(test_service_host_access_follows_the_file),
        TEST(test_service_host_without_memory),
        TEST(test_service_host_data_goes_to_ports_and_back),
        TEST(test_service_host_says_that_nobody_listens),
        TEST(test_service_host_state_is_said_once),
        TEST(test_service_host_listeners_may_leave_when_told),
        TEST(test_service_host_lets_others_go_when_idle),
        TEST(test_service_host_idle_one_makes_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
