/* SPDX-License-Identifier: MIT
 *
 * The parser of DHT datagrams on arbitrary bytes. A message that is accepted
 * is written, and what was written must be accepted, mean the same and be
 * written as the same bytes.
 */

#include "fuzz.h"

#include "wire/dht_message.h"

#include <assert.h>
#include <string.h>

#define MAX_LEN 4096

static void same_meaning(const struct dht_message *a,
                         const struct dht_message *b)
{
    assert(a->kind == b->kind && a->method == b->method && a->has == b->has);
    assert(bytes_equal(a->transaction, b->transaction));
    assert(bytes_equal(a->network, b->network));
    assert(bytes_equal(a->token, b->token));
    assert(bytes_equal(a->nodes, b->nodes));
    assert(bytes_equal(a->nodes6, b->nodes6));
    assert(a->value_count == b->value_count);
    assert(a->read_only == b->read_only);
    assert(a->implied_port == b->implied_port);
    assert(a->seq == b->seq && a->cas == b->cas);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dht_message first;
    static struct dht_message second;
    uint8_t once[MAX_LEN];
    uint8_t twice[MAX_LEN];
    size_t once_len;
    size_t twice_len;

    if (dht_message_read(bytes_of(data, size), &first) != OK ||
        dht_message_write(&first, once, sizeof(once), &once_len) != OK)
        return 0;
    assert(dht_message_read(bytes_of(once, once_len), &second) == OK);
    same_meaning(&first, &second);
    assert(dht_message_write(&second, twice, sizeof(twice), &twice_len) == OK);
    assert(twice_len == once_len && memcmp(once, twice, once_len) == 0);
    return 0;
}
