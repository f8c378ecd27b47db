/* SPDX-License-Identifier: MIT
 *
 * A datagram of an association: its data lies inside of it, and what is
 * written of it reads as the same, in as much room as it takes and no less.
 */
#include "fuzz.h"

#include "node/socks/socks_datagram.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check_written(const struct socks_address *from, struct bytes data)
{
    size_t cap = SOCKS_DATAGRAM_HEAD_MAX + data.len, len;
    uint8_t *out = malloc(cap);
    struct socks_address again;
    struct bytes same;

    assert(out != NULL);
    len = socks_datagram_write(from, data, out, cap);
    assert(len > data.len && len <= cap);
    assert(socks_datagram_write(from, data, out, len) == len);
    assert(socks_datagram_read(bytes_of(out, len), &again, &same) == OK);
    assert(bytes_equal(same, data));
    assert(endpoint_equal(&again.ep, &from->ep));
    assert(strcmp(again.name, from->name) == 0);
    assert(socks_datagram_write(from, data, out, len - 1) == 0);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct socks_address to = {.name_len = 0};
    struct bytes rest;

    if (socks_datagram_read(bytes_of(data, size), &to, &rest) != OK)
        return 0;
    assert(rest.p >= data && rest.p + rest.len == data + size);
    assert(to.ep.port != 0);
    assert(to.name[to.name_len] == '\0');
    check_written(&to, rest);
    return 0;
}
