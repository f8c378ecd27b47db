/* SPDX-License-Identifier: MIT
 *
 * The port is what stands behind the last colon, unless that may belong to an
 * IPv6 address; what stands before it is name.c's.
 */
#include "tunnel/exit/host_port.h"

#include <string.h>

/* Digits alone, 0 to 65535. */
static bool parse_port(struct bytes text, uint16_t *out)
{
    uint32_t port = 0;

    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        port = 10 * port + (text.p[i] - '0');
    }
    if (port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

/* Where the colon before the port stands; text.len when there is none. The
 * colons of an IPv6 address stand in brackets. */
static size_t find_colon(struct bytes text)
{
    for (size_t i = text.len; i-- > 0;) {
        if (text.p[i] != ':')
            continue;
        if (memchr(text.p, ':', i) == NULL ||
            (text.p[0] == '[' && text.p[i - 1] == ']'))
            return i;
        break;
    }
    return text.len;
}

enum error host_port_parse(struct bytes text, struct host_port *out)
{
    struct host_port d = {.name = {.len = 0}};
    size_t colon = find_colon(text);
    bool is_address;
    uint16_t port;
    enum error e;

    if (colon == text.len ||
        !parse_port(bytes_of(text.p + colon + 1, text.len - colon - 1), &port))
        return ERR_SYNTAX;
    e = name_parse(bytes_of(text.p, colon), &d.name, &d.ep, &is_address);
    if (e != OK)
        return e;
    if (is_address)
        d.name.len = 0;
    else
        memset(&d.ep, 0, sizeof(d.ep));
    d.ep.port = port;
    if (port == 0 || (is_address && !endpoint_is_usable(&d.ep)))
        return ERR_ADDRESS;
    *out = d;
    return OK;
}

const char *host_port_error_text(enum error e)
{
    if (e == ERR_SYNTAX)
        return "to must be \"HOST:PORT\": an address or a name, and a port "
               "from 1 to 65535";
    if (e == ERR_ADDRESS)
        return "to must have a port from 1 to 65535, and an address that "
               "somebody can have: no multicast and the like";
    if (e == ERR_UNSUPPORTED)
        return "no exit looks up names that are local, such as localhost and "
               "those of .local and .onion";
    return error_text(e);
}
