/* SPDX-License-Identifier: MIT
 *
 * A node takes new settings while it runs. Each key that can change is
 * changed, and what node, engines, store and log go by then is compared with
 * what those of a node go by that was started with the same settings.
 */
#include "node/host/node.h"

#include "dht/dht_parts.h"
#include "node/config/config_keys.h"
#include "node/config/config_source.h"
#include "store/handle.h"
#include "testing.h"
#include "tunnel/member/member_internal.h"
#include "tunnel/transit/transit_table.h"

#include <event2/event.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/warren-reload-XXXXXX";
static struct event_base *base;
static struct text why;

/* A table of another program, with one node. */
static char saved_path[] = "/tmp/warren-saved-XXXXXX";

static void write_saved(void)
{
    static const char table[] = "d5:nodes6:\x7f\0\0\x01\x1a\xe1"
                                "e";
    int fd = mkstemp(saved_path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, table, sizeof(table) - 1), sizeof(table) - 1);
    close(fd);
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    text_init(&why, CONFIG_ERRORS_MAX);
    base = event_base_new();
    write_saved();
    return base == NULL || sodium_init() < 0 || mkdtemp(root) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&why);
    event_base_free(base);
    unlink(saved_path);
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- Nodes --------------------------------------------------------------- */

struct world {
    struct log *log;
    struct node *node;
    char dir[64];
};

static void ignore_line(void *arg, enum log_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
}

/* An exit on loopback, in both DHTs; `flag` is "--section.key=value" or NULL.
 * False when that is no sound configuration by itself. */
static bool load(const char *flag, struct config *out)
{
    const char *flags[] = {"--node.listen=127.0.0.1:0",
                           "--node.testing_network=true",
                           "--exit.become_exitnode=true",
                           "--exit.nameservers=127.0.0.1:53",
                           "--log.level=warn",
                           "--mainline.enabled=true",
                           flag};
    struct config_input input = {.argc = flag == NULL ? 6 : 7,
                                 .argv = (char *const *)(uintptr_t)flags};

    text_clear(&why);
    return config_load(&input, out, &why) == OK;
}

static void start(struct world *w, const char *name, struct config *config)
{
    snprintf(w->dir, sizeof(w->dir), "%s/%s", root, name);
    nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(mkdir(w->dir, 0700), 0);
    snprintf(config->data_dir, sizeof(config->data_dir), "%s", w->dir);
    w->log = log_new(&config->log, ignore_line, NULL);
    assert_non_null(w->log);
    text_clear(&why);
    assert_int_equal(node_new(base, config, w->log, NULL, &w->node, &why), OK);
}

static void stop(struct world *w)
{
    node_free(w->node);
    log_free(w->log);
    event_base_loop(base, EVLOOP_NONBLOCK);
}

/* ---- What they go by ----------------------------------------------------- */

static void show_hex(struct text *out, const char *what, const void *p,
                     size_t len)
{
    char hex[2 * 256 + 1];

    text_addf(out, "%s %s\n", what, sodium_bin2hex(hex, sizeof(hex), p, len));
}

static void show_limiter(struct text *out, const char *what,
                         const struct limiter *l)
{
    show_hex(out, what, &l->all_rate, sizeof(l->all_rate));
    show_hex(out, what, &l->source_rate, sizeof(l->source_rate));
    text_addf(out, "%s of %u\n", what, l->max_sources);
}

static void show_dht(struct text *out, const struct dht *d)
{
    show_limiter(out, "queries", &d->service.limiter);
    text_addf(out, "peers %u %u %u %u %" PRIu64 "\n",
              d->service.peers.config.max_hashes,
              d->service.peers.config.max_peers,
              d->service.peers.config.max_per_hash,
              d->service.peers.config.max_per_source,
              d->service.peers.config.lifetime);
    text_addf(out, "items %u %u %" PRIu64 "\n",
              d->service.items.config.max_items,
              d->service.items.config.max_per_source,
              d->service.items.config.lifetime);
    text_addf(out, "refresh %" PRIu64 "\n",
              d->contacts.table[FAMILY_IPV4].refresh);
}

static void show_tunnel(struct text *out, const struct member *t)
{
    const struct transits *r = t->router.transits;

    show_limiter(out, "creates", &r->create_limiter);
    show_limiter(out, "extends", &r->extend_limiter);
    text_addf(out, "relays %u %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
              r->config.max_relays_or_exits, r->config.max_time,
              r->config.max_time_inactive, r->config.max_traffic);
    text_addf(out, "pool %u %u %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
              t->pool.config.min_circuits, t->pool.config.max_circuits,
              t->pool.config.max_time, t->pool.config.max_time_inactive,
              t->pool.config.max_traffic);
    show_hex(out, "rate", &r->queue.rate, sizeof(r->queue.rate));
    show_hex(out, "circuit rate", &r->queue.circuit_rate,
             sizeof(r->queue.circuit_rate));
    text_addf(out, "cells %u %u\n", r->queue.max_cells,
              r->queue.max_circuit_cells);
    show_hex(out, "family id", t->config.family_id, 32);
    text_addf(out, "published %d %d %u %s\n", t->has_self, t->self.has_family,
              t->self.bandwidth, t->policy_text);
    show_hex(out, "published family", t->self.family, 32);
    for (unsigned i = 0; i < t->self.address_count; i++) {
        char ep[ENDPOINT_TEXT_SIZE];

        /* The port of a socket is the kernel's choice. */
        text_addf(out, "published at %s\n",
                  endpoint_print_addr(&t->self.addresses[i], ep));
    }
}

static void show_policy(struct text *out, const struct policy *p)
{
    char line[POLICY_LINE_SIZE];

    for (size_t i = 0; i < p->count; i++)
        text_addf(out, "line %s\n", policy_print_line(&p->lines[i], line));
}

/* Each key as the engines have it, and what they have made of it. */
static void show(const struct world *w, struct text *out)
{
    const struct node *n = w->node;
    const struct dht *d = dht_host_engine(n->dht);
    const struct dht *mainline = dht_host_engine(n->mainline);
    const struct member *t = tunnel_host_member(n->tunnels);
    struct config view = n->config;

    view.dht = d->world.config;
    view.mainline = mainline->world.config;
    view.tunnel = t->config;
    text_clear(out);
    for (size_t i = 0; i < config_keys_count; i++) {
        if (strcmp(config_keys[i].name, "data_dir") == 0)
            continue;
        text_addf(out, "%s.%s ", config_keys[i].section, config_keys[i].name);
        setting_print(&config_keys[i], &view, out);
        text_add(out, "\n");
    }
    show_dht(out, d);
    show_dht(out, mainline);
    text_addf(out, "saved nodes %zu\n", dht_host_saved(n->mainline));
    show_tunnel(out, t);
    show_policy(out, tunnel_host_policy(n->tunnels));
    text_addf(out, "name servers %u\n", tunnel_host_nameservers(n->tunnels));
    text_addf(out, "store %zu\n", n->store->options.max_relays);
    for (int i = 0; i < STORE_DHTS; i++)
        text_addf(out, "store of a DHT %zu %zu\n",
                  n->store->options.max_announcements[i],
                  n->store->options.max_items[i]);
    text_addf(out, "log %d %d\n", log_wants(w->log, LEVEL_INFO),
              log_wants(w->log, LEVEL_WARN));
}

/* ---- Tests --------------------------------------------------------------- */

/* Values that are not the default, for the kinds that are no numbers. */
static const struct {
    const struct setting_type *type;
    const char *value;
} others[] = {
    {&setting_bool, "true"},
    {&config_level, "error"},
    {&config_format, "json"},
    {&setting_name, "ours"},
    {&config_hosts, "127.0.0.1:1"},
    {&config_mainline_hosts, "127.0.0.1:1"},
    {&config_endpoints, "127.0.0.7:1, 127.0.0.8:1"},
    {&config_hops, "1, 3"},
    {&config_files, saved_path},
    {&config_policy, "reject 192.0.2.0/24, accept *:443"},
};

static void flag_of(const struct setting_key *key, bool most,
                    char flag[CONFIG_NAME_SIZE + 64])
{
    size_t len;

    config_flag_name(key, flag);
    len = strlen(flag);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (key->type == others[i].type)
            snprintf(flag + len, 64, "=%s", others[i].value);
    }
    if (key->type == &setting_duration)
        snprintf(flag + len, 64, "=%" PRIu64 "ms",
                 (most ? key->max : key->min) / TIME_MS);
    else if (key->type->units != NULL)
        snprintf(flag + len, 64, "=%" PRIu64, most ? key->max : key->min);
}

static void assert_same_lines(struct text *a, struct text *b)
{
    char *rest_a, *rest_b;
    const char *line_a = strtok_r(a->buf, "\n", &rest_a);
    const char *line_b = strtok_r(b->buf, "\n", &rest_b);

    for (; line_a != NULL && line_b != NULL;
         line_a = strtok_r(NULL, "\n", &rest_a),
         line_b = strtok_r(NULL, "\n", &rest_b))
        assert_string_equal(line_a, line_b);
    assert_ptr_equal(line_a, line_b);
}

/* From `before` to `after`, and what a node is that is started so. */
static void compare(struct config before, struct config after)
{
    struct world running, fresh;
    struct text is, must, report;

    text_init(&is, 65536);
    text_init(&must, 65536);
    text_init(&report, 4096);
    start(&running, "running", &before);
    start(&fresh, "fresh", &after);
    memcpy(after.data_dir, before.data_dir, sizeof(after.data_dir));
    node_reload(running.node, &after, &report);
    assert_string_equal(text_get(&report), "");
    show(&running, &is);
    show(&fresh, &must);
    assert_same_lines(&is, &must);
    stop(&running);
    stop(&fresh);
    text_deinit(&is);
    text_deinit(&must);
    text_deinit(&report);
}

static void test_node_reload_is_as_good_as_a_restart(void **state)
{
    struct config defaults, after;
    unsigned tried = 0;

    (void)state;
    assert_true(load(NULL, &defaults));
    for (size_t i = 0; i < config_keys_count; i++) {
        char flag[CONFIG_NAME_SIZE + 64];

        for (int most = 0; most < 2 && config_keys[i].reloadable; most++) {
            flag_of(&config_keys[i], most, flag);
            if (!load(flag, &after)) /* min_circuits above max_circuits */
                continue;
            compare(defaults, after);
            tried++;
        }
    }
    assert_true(tried > 40);
}

/* What needs a restart, at the limits that the table allows: the engines
 * have limits of their own, and take those for a bug of the caller's. */
static void test_node_starts_at_the_limits_of_every_key(void **state)
{
    struct config config;
    struct world w;
    unsigned started = 0;

    (void)state;
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct setting_key *key = &config_keys[i];
        char flag[CONFIG_NAME_SIZE + 64];

        if (key->reloadable || key->type->units == NULL)
            continue;
        for (int most = 0; most < 2; most++) {
            flag_of(key, most, flag);
            if (!load(flag, &config)) /* max_circuits below min_circuits */
                continue;
            start(&w, "limits", &config);
            stop(&w);
            started++;
        }
    }
    assert_true(started > 40);
}

/* A number above them would be cut without a word. */
static void test_node_takes_no_more_than_the_engines_do(void **state)
{
    (void)state;
    assert_int_equal(config_key_find("dht", "max_peers_per_hash")->max,
                     PEER_STORE_HASH_MAX);
    assert_int_equal(config_key_find("dht", "max_peers_per_source")->max,
                     PEER_STORE_SOURCE_MAX);
    assert_int_equal(config_key_find("exit", "max_sockets")->max,
                     EXIT_SOCKETS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node_reload_is_as_good_as_a_restart),
        cmocka_unit_test(test_node_starts_at_the_limits_of_every_key),
        cmocka_unit_test(test_node_takes_no_more_than_the_engines_do),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
