/* SPDX-License-Identifier: MIT */
#include "node/socks/socks_answer.h"

static bool is_told(const struct socks_request *request,
                    const struct endpoint *ep, bool local_too)
{
    bool fits = request->protocol == SOCKS_V5 || ep->family == FAMILY_IPV4;

    return fits && (local_too || endpoint_is_global(ep));
}

static bool is_name(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.p[i] <= ' ' || name.p[i] > '~')
            return false;
    return name.len > 0;
}

bool socks_answer_choose(const struct socks_request *request,
                         const struct stream_answer *answer, bool local_too,
                         struct endpoint *at)
{
    if (request->command == SOCKS_REVERSE)
        return is_name(answer->name);
    for (unsigned i = 0; i < answer->address_count; i++) {
        *at = answer->address[i];
        if (request->command == SOCKS_CONNECT ||
            is_told(request, at, local_too))
            return true;
    }
    return request->command == SOCKS_CONNECT;
}
