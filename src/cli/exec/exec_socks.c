/* SPDX-License-Identifier: MIT */
#include "cli/exec/exec_socks.h"

#include <string.h>

#define VERSION           5
#define PASSWORD_VERSION  1
#define METHOD_PASSWORD   2
#define COMMAND_CONNECT   1
#define COMMAND_ASSOCIATE 3
#define BEFORE_REPLY      4 /* bytes: method, and that the password is right */
#define HEAD              3

static size_t say_text(const char *text, uint8_t *out)
{
    size_t len = strlen(text);

    out[0] = (uint8_t)len;
    memcpy(out + 1, text, len);
    return 1 + len;
}

size_t exec_socks_say(const struct exec_proxy *proxy, bool associate,
                      const struct socks_address *to,
                      uint8_t out[EXEC_SOCKS_SAID_MAX])
{
    const uint8_t methods[] = {VERSION, 1, METHOD_PASSWORD, PASSWORD_VERSION};
    const uint8_t head[HEAD] = {
        VERSION, associate ? COMMAND_ASSOCIATE : COMMAND_CONNECT, 0};
    size_t len = sizeof(methods);

    memcpy(out, methods, sizeof(methods));
    len += say_text(proxy->user, out + len);
    len += say_text(proxy->password, out + len);
    memcpy(out + len, head, HEAD);
    len += HEAD;
    return len + socks_address_write(to, out + len);
}

enum error exec_socks_hear(struct bytes in, size_t *used, struct endpoint *at)
{
    static const uint8_t right[BEFORE_REPLY] = {VERSION, METHOD_PASSWORD,
                                                PASSWORD_VERSION, 0};
    size_t begun = in.len < BEFORE_REPLY ? in.len : BEFORE_REPLY;
    struct socks_address a;
    size_t len;

    if (begun > 0 && memcmp(in.p, right, begun) != 0)
        return ERR_SYNTAX;
    if (in.len < BEFORE_REPLY + HEAD + 1)
        return ERR_MISSING;
    in = bytes_of(in.p + BEFORE_REPLY, in.len - BEFORE_REPLY);
    if (in.p[0] != VERSION)
        return ERR_SYNTAX;
    if (in.p[1] != 0)
        return ERR_REMOTE;
    in = bytes_of(in.p + HEAD, in.len - HEAD);
    len = socks_address_length(in);
    if (len == 0)
        return ERR_SYNTAX;
    if (in.len < len)
        return ERR_MISSING;
    if (socks_address_read(bytes_of(in.p, len), &a) != OK)
        return ERR_SYNTAX;
    *used = BEFORE_REPLY + HEAD + len;
    *at = a.ep;
    return OK;
}
