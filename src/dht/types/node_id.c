/* SPDX-License-Identifier: MIT
 *
 * Ids tied to addresses (BEP 42): the first 21 bits of an id are those of the
 * CRC-32C (Castagnoli) of the masked address and three random bits, which the
 * last byte of the id repeats.
 */
#include "dht/types/node_id.h"

#include <string.h>

/* Four steps of the reflected polynomial 0x82f63b78 for each half byte. Small
 * on purpose: what is hashed here has 4 or 8 bytes. */
static const uint32_t crc32c_steps[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
    0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
    0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c(struct bytes data)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < data.len; i++) {
        crc ^= data.p[i];
        crc = crc >> 4 ^ crc32c_steps[crc & 15];
        crc = crc >> 4 ^ crc32c_steps[crc & 15];
    }
    return ~crc;
}

/* The id's first 21 bits are those of this. */
static uint32_t prefix(const struct endpoint *ep, uint8_t r)
{
    static const uint8_t mask4[] = {0x03, 0x0f, 0x3f, 0xff};
    static const uint8_t mask6[] = {0x01, 0x03, 0x07, 0x0f,
                                    0x1f, 0x3f, 0x7f, 0xff};
    const bool v4 = ep->family == FAMILY_IPV4;
    const uint8_t *mask = v4 ? mask4 : mask6;
    const size_t len = v4 ? sizeof(mask4) : sizeof(mask6);
    uint8_t masked[8];

    for (size_t i = 0; i < len; i++)
        masked[i] = ep->addr[i] & mask[i];
    masked[0] = (uint8_t)(masked[0] | (r & 7) << 5);
    return crc32c(bytes_of(masked, len));
}

void node_id_generate(const struct endpoint *ep, uint8_t r,
                      const struct random_source *random, struct id *out)
{
    uint32_t crc = prefix(ep, r);

    random->fill(random->ctx, out->b, ID_BYTES);
    out->b[0] = (uint8_t)(crc >> 24);
    out->b[1] = (uint8_t)(crc >> 16);
    out->b[2] = (uint8_t)((crc >> 8 & 0xf8) | (out->b[2] & 7));
    out->b[ID_BYTES - 1] = r;
}

bool node_id_matches(const struct id *id, const struct endpoint *ep)
{
    uint32_t crc;

    if (!endpoint_is_global(ep))
        return true;
    crc = prefix(ep, id->b[ID_BYTES - 1]);
    return id->b[0] == (uint8_t)(crc >> 24) &&
           id->b[1] == (uint8_t)(crc >> 16) &&
           ((id->b[2] ^ crc >> 8) & 0xf8) == 0;
}
