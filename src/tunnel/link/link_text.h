/* SPDX-License-Identifier: MIT
 *
 * The texts of cells that are neither RELAY nor empty, between neighbours.
 * Each is a msgpack array, padded with zeros:
 *
 *   REKEY    [index, noise1]     index: the sender's, of a session
 *   REKEYED  [index, noise2]
 *   CREATE   [index, noise1]     index: the sender's, of a circuit
 *   CREATED  [index, noise2]
 *   DESTROY  [reason]
 */
#ifndef WARREN_TUNNEL_LINK_LINK_TEXT_H
#define WARREN_TUNNEL_LINK_LINK_TEXT_H

#include "base/bytes.h"
#include "base/error.h"
#include "tunnel/crypto/noise.h"
#include "tunnel/link/reason.h"

#include <stddef.h>
#include <stdint.h>

#define LINK_TEXT_SMALL 96 /* all of these fit */

struct link_text {
    uint32_t index;
    struct bytes noise; /* a view of the text */
};

size_t link_text_write_rekey(uint8_t out[LINK_TEXT_SMALL], uint32_t index,
                             const uint8_t noise[NOISE_OVERHEAD]);
size_t link_text_write_create(uint8_t out[LINK_TEXT_SMALL], uint32_t index,
                              struct bytes noise1);
size_t link_text_write_created(uint8_t out[LINK_TEXT_SMALL], uint32_t index,
                               const uint8_t noise2[NOISE_OVERHEAD]);
size_t link_text_write_destroy(uint8_t out[LINK_TEXT_SMALL], enum reason why);

/* Errors of mp_parse_first and mp_reader. */
enum error link_text_read_rekey(struct bytes text, struct link_text *out);
enum error link_text_read_create(struct bytes text, struct link_text *out);
enum error link_text_read_created(struct bytes text, struct link_text *out);
enum error link_text_read_destroy(struct bytes text, enum reason *out);

#endif
