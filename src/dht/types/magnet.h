/* SPDX-License-Identifier: MIT
 *
 * Info-hashes as people have them: 40 hex digits, or a magnet link (BEP 9),
 *
 *     magnet:?xt=urn:btih:<40 hex digits, or 32 of base32>&dn=...&tr=...
 *
 * with its parameters in any order, percent-encoded or not, `xt` also as xt.1,
 * xt.2, ..., as it stands in the HTML of a page (&amp;), and with white space
 * around it. Of a torrent of version 2 (BEP 52) it has xt=urn:btmh:1220<64 hex
 * digits>, a SHA2-256 hash, whose first 20 bytes are what the DHT knows the
 * torrent by. A link that has both is for one torrent in two forms; the btih is
 * taken, under which most peers are.
 */
#ifndef WARREN_DHT_TYPES_MAGNET_H
#define WARREN_DHT_TYPES_MAGNET_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/id.h"
#include "base/text.h"

#include <stdbool.h>

/* Whether it begins as a magnet link does. */
bool magnet_is_link(struct bytes text);

/* ERR_SYNTAX, and `why`, unless it is NULL, gets a sentence. */
enum error magnet_info_hash(struct bytes link, struct id *out,
                            struct text *why);

/* Either form. Errors as above, without a sentence for what is neither. */
enum error info_hash_parse(struct bytes text, struct id *out, struct text *why);

#endif
