/* SPDX-License-Identifier: MIT
 *
 * Text, and single bits.
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
