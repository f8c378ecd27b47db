/* SPDX-License-Identifier: MIT
 *
 * What the tests of the store share: a directory that goes away, rows made
 * from a number, and reading a whole table back.
 */
#ifndef WARREN_TESTS_STORE_FIXTURE_H
#define WARREN_TESTS_STORE_FIXTURE_H

#include "store/store.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURE_WALL 1795342272 /* 2026-11-22 10:11:12 UTC */

struct fixture {
    char dir[64];
    char file[96];
    struct store *store;
    struct store_report report;
    struct store_options options;
};

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "/tmp/warren-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->file, sizeof(f->file), "%s/%s", f->dir, STORE_FILE_NAME);
    f->options.wall = FIXTURE_WALL;
    *state = f;
    return 0;
}

static inline void fixture_empty_dir(const struct fixture *f)
{
    DIR *d = opendir(f->dir);
    struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    fixture_empty_dir(f);
    rmdir(f->dir);
    free(f);
    return 0;
}

#define store_test(function) \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

static inline enum error fixture_try_open(struct fixture *f)
{
    assert_null(f->store);
    return store_open(f->dir, &f->options, &f->store, &f->report);
}

static inline struct store *fixture_open(struct fixture *f)
{
    enum error err = fixture_try_open(f);

    if (err != OK)
        fail_msg("store_open: %s: %s", error_name(err), f->report.text);
    return f->store;
}

static inline void fixture_close(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
}

static inline struct store *fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    return fixture_open(f);
}

static inline struct store_health fixture_health(const struct fixture *f)
{
    struct store_health h;

    store_get_health(f->store, &h);
    return h;
}

/* Different numbers have different ids and endpoints; odd ones are IPv6. */
static inline struct store_node make_node(uint32_t n, int64_t last_seen)
{
    struct store_node node = {.last_seen = last_seen};

    memset(node.id.b, 0x11, ID_BYTES);
    memcpy(node.id.b, &n, sizeof(n));
    node.endpoint.family = n % 2 == 0 ? FAMILY_IPV4 : FAMILY_IPV6;
    memcpy(node.endpoint.addr, &n, sizeof(n));
    node.endpoint.port = (uint16_t)(1 + n % 65535);
    return node;
}

static inline struct store_announcement make_announcement(uint32_t n)
{
    struct store_announcement a = {.port = (uint16_t)(n % 65536),
                                   .implied_port = n % 65536 == 0,
                                   .since = 1000 + n,
                                   .seed = n % 2 == 0};

    memset(a.info_hash.b, 0x22, ID_BYTES);
    memcpy(a.info_hash.b, &n, sizeof(n));
    return a;
}

/* Every third one is immutable; the sizes run through their range. */
static inline struct store_item make_item(uint32_t n)
{
    struct store_item i = {.is_mutable = n % 3 != 0, .since = 2000 + n};

    memset(i.target.b, 0x33, ID_BYTES);
    memcpy(i.target.b, &n, sizeof(n));
    i.value.len = (uint16_t)(1 + n % VALUE_MSGPACK_MAX);
    memset(i.value.mp, (int)(n & 0xff), i.value.len);
    if (i.is_mutable) {
        memset(i.key, (int)(n & 0xff), sizeof(i.key));
        memset(i.signature, (int)(~n & 0xff), sizeof(i.signature));
        i.seq = INT64_MAX - n;
        i.salt_len = (uint8_t)(n % (STORE_SALT_MAX + 1));
        memset(i.salt, 0x44, i.salt_len);
    }
    return i;
}

static inline void assert_same_node(const struct store_node *a,
                                    const struct store_node *b)
{
    assert_memory_equal(a->id.b, b->id.b, ID_BYTES);
    assert_true(endpoint_equal(&a->endpoint, &b->endpoint));
    assert_true(a->last_seen == b->last_seen);
}

/* The nodes as store_each_node shows them. */
struct node_list {
    struct store_node *nodes;
    size_t count;
    size_t room;
};

static inline void node_list_add(void *ctx, const struct store_node *node)
{
    struct node_list *l = ctx;

    if (l->count == l->room) {
        l->room = l->room == 0 ? 64 : 2 * l->room;
        l->nodes = realloc(l->nodes, l->room * sizeof(*l->nodes));
        assert_non_null(l->nodes);
    }
    l->nodes[l->count++] = *node;
}

static inline struct node_list list_nodes_of(struct store *s,
                                             enum store_dht dht, size_t limit)
{
    struct node_list l = {NULL, 0, 0};

    assert_int_equal(store_each_node(s, dht, limit, node_list_add, &l), OK);
    return l;
}

static inline struct node_list list_nodes(struct store *s, size_t limit)
{
    return list_nodes_of(s, STORE_DHT, limit);
}

static inline void write_file(const char *path, const void *p, size_t len)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static inline size_t read_file(const char *path, uint8_t *buf, size_t cap)
{
    FILE *f = fopen(path, "rb");
    size_t n;

    assert_non_null(f);
    n = fread(buf, 1, cap, f);
    fclose(f);
    return n;
}

#endif
