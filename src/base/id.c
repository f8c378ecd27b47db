/* SPDX-License-Identifier: MIT
 *
 * Distance by XOR is decided by the first byte that differs: nothing here needs
 * numbers of 160 bits.
 */
#include "base/id.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum error id_parse(const char *text, struct id *out)
{
    struct id id;
    size_t len;

    if (strlen(text) != 2 * ID_BYTES)
        return ERR_SYNTAX;
    if (sodium_hex2bin(id.b, sizeof(id.b), text, 2 * ID_BYTES, NULL, &len,
                       NULL) != 0 ||
        len != ID_BYTES)
        return ERR_SYNTAX;
    *out = id;
    return OK;
}

const char *id_print(const struct id *id, char text[ID_TEXT_SIZE])
{
    return sodium_bin2hex(text, ID_TEXT_SIZE, id->b, ID_BYTES);
}

bool id_equal(const struct id *a, const struct id *b)
{
    return memcmp(a->b, b->b, ID_BYTES) == 0;
}

int id_compare_distance(const struct id *target, const struct id *a,
                        const struct id *b)
{
    for (int i = 0; i < ID_BYTES; i++) {
        int da = a->b[i] ^ target->b[i];
        int db = b->b[i] ^ target->b[i];

        if (da != db)
            return da - db;
    }
    return 0;
}

int id_common_bits(const struct id *a, const struct id *b)
{
    for (int i = 0; i < ID_BYTES; i++) {
        unsigned diff = (unsigned)(a->b[i] ^ b->b[i]);

        if (diff != 0)
            return 8 * i + __builtin_clz(diff) - 24;
    }
    return ID_BITS;
}

bool id_bit(const struct id *id, int n)
{
    assert(n >= 0 && n < ID_BITS);
    return (id->b[n / 8] >> (7 - n % 8)) & 1;
}

void id_set_bit(struct id *id, int n, bool value)
{
    uint8_t mask;

    assert(n >= 0 && n < ID_BITS);
    mask = (uint8_t)(0x80 >> (n % 8));
    if (value)
        id->b[n / 8] = (uint8_t)(id->b[n / 8] | mask);
    else
        id->b[n / 8] = (uint8_t)(id->b[n / 8] & ~mask);
}
