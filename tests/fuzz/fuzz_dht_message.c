/* SPDX-License-Identifier: MIT
 *
 * The readers of DHT messages on arbitrary bytes: bencode begins with 'd', all
 * else is read as msgpack. What one accepts is written; that must be accepted
 * too, say the same, and write to itself. What bencode says goes into msgpack
 * and back as well, but for a value that has no other form.
 */
#include "fuzz.h"

#include "wire/krpc/dht_message.h"

#include <assert.h>
#include <string.h>

#define MAX_LEN 2048

static void check_same(const struct dht_message *a, const struct dht_message *b)
{
    assert(a->kind == b->kind && a->method == b->method && a->has == b->has);
    assert(bytes_equal(a->transaction, b->transaction));
    assert(bytes_equal(a->network, b->network));
    assert(bytes_equal(a->token, b->token));
    assert(bytes_equal(a->nodes, b->nodes));
    assert(bytes_equal(a->nodes6, b->nodes6));
    assert(id_equal(&a->id, &b->id) && id_equal(&a->target, &b->target));
    assert(a->port == b->port && a->implied_port == b->implied_port);
    assert(a->seed == b->seed && a->no_seed == b->no_seed);
    assert(a->scrape == b->scrape);
    assert(a->read_only == b->read_only);
    assert(a->seq == b->seq && a->cas == b->cas);
    assert(a->error_code == b->error_code);
    assert(a->value_count == b->value_count);
    for (size_t i = 0; i < a->value_count; i++)
        assert(endpoint_equal(&a->values[i], &b->values[i]));
    assert(bytes_equal(value_bytes(&a->value), value_bytes(&b->value)));
}

static void check_limits(const struct dht_message *m)
{
    uint8_t bencoded[VALUE_BENCODED_MAX];

    assert(m->transaction.len >= 1 &&
           m->transaction.len <= DHT_TRANSACTION_MAX);
    assert(m->nodes.len <= (size_t)COMPACT_NODE4 * DHT_NODES_MAX);
    assert(m->nodes6.len <= (size_t)COMPACT_NODE6 * DHT_NODES_MAX);
    assert(m->samples.len <= (size_t)ID_BYTES * DHT_SAMPLES_MAX);
    assert(m->value_count <= DHT_VALUES_MAX);
    assert(m->token.len <= DHT_TOKEN_MAX && m->salt.len <= DHT_SALT_MAX);
    if (m->has & DHT_HAS_VALUE)
        assert(value_bencode(&m->value, bencoded) <= VALUE_BENCODED_MAX);
}

/* Through the writer and the reader of a dialect; `m` says the same then. The
 * bytes that it views are in `buf`. */
static size_t carry(enum dht_dialect dialect, struct dht_message *m,
                    uint8_t buf[2 * MAX_LEN])
{
    struct dht_message again;
    size_t len;

    assert(dht_message_write(dialect, m, buf, 2 * MAX_LEN, &len) == OK);
    assert(dht_message_read(dialect, bytes_of(buf, len), &again) == OK);
    check_same(m, &again);
    *m = again;
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const enum dht_dialect dialect =
        size > 0 && data[0] == 'd' ? DHT_DIALECT_MAINLINE : DHT_DIALECT_WARREN;
    uint8_t once[2 * MAX_LEN], twice[2 * MAX_LEN], other[2 * MAX_LEN];
    struct dht_message m;
    size_t len;

    if (size > MAX_LEN ||
        dht_message_read(dialect, bytes_of(data, size), &m) != OK)
        return 0;
    check_limits(&m);
    len = carry(dialect, &m, once);
    if (!value_is_raw(&m.value))
        carry(dialect == DHT_DIALECT_WARREN ? DHT_DIALECT_MAINLINE
                                            : DHT_DIALECT_WARREN,
              &m, other);
    assert(carry(dialect, &m, twice) == len);
    assert(memcmp(once, twice, len) == 0);
    return 0;
}
