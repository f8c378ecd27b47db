/* SPDX-License-Identifier: MIT
 *
 * Why circuits cannot be built, in words for `warren status` and for who
 * waits for one.
 */
#ifndef WARREN_NODE_HOST_TUNNEL_MISSING_H
#define WARREN_NODE_HOST_TUNNEL_MISSING_H

#include "base/text.h"
#include "tunnel/member/member.h"

#include <stdbool.h>

/* False, and nothing said, when the last choice of a path found one. */
bool tunnel_missing_say(const struct member_status *status, struct text *what);
/* What the operator can do about it. */
const char *tunnel_missing_remedy(const struct member_status *status);

#endif
