/* SPDX-License-Identifier: MIT */
#include "node/monitor/http_request.h"

#include "base/endpoint.h"

#include <string.h>
#include <strings.h>

#define HOST_SIZE 256 /* a name of the DNS and its terminator */
#define BLANKS    " \t"

/* Ends the line at `*rest` and steps over it; NULL where no more begins. */
static char *next_line(char **rest)
{
    char *line = *rest, *end = line == NULL ? NULL : strchr(line, '\n');

    if (end == NULL)
        return NULL;
    *rest = end + 1;
    if (end > line && end[-1] == '\r')
        end--;
    *end = '\0';
    return line;
}

/* "METHOD TARGET HTTP/1.x", cut into words. */
static bool read_first(char *line, struct http_request *out, bool *is_1_1)
{
    char *space = strchr(line, ' '), *target, *version;

    if (space == NULL || space == line)
        return false;
    *space = '\0';
    target = space + 1;
    space = strchr(target, ' ');
    if (space == NULL || target[0] != '/')
        return false;
    *space = '\0';
    version = space + 1;
    target[strcspn(target, "?#")] = '\0';
    out->method = line;
    out->target = target;
    *is_1_1 = strcmp(version, "HTTP/1.1") == 0;
    return *is_1_1 || strcmp(version, "HTTP/1.0") == 0;
}

static char *trim(char *text)
{
    size_t len;

    text += strspn(text, BLANKS);
    len = strlen(text);
    while (len > 0 && strchr(BLANKS, text[len - 1]) != NULL)
        len--;
    text[len] = '\0';
    return text;
}

/* A blank before the colon, or a line that goes on with the one before: two
 * programs could read either in two ways. */
static bool read_header(char *line, struct http_request *out)
{
    size_t name = strcspn(line, BLANKS ":");

    if (name == 0 || line[name] != ':')
        return false;
    line[name] = '\0';
    if (strcasecmp(line, "Host") != 0)
        return true;
    if (out->host != NULL)
        return false;
    out->host = trim(line + name + 1);
    return true;
}

bool http_request_read(char *head, size_t len, struct http_request *out)
{
    struct http_request request = {0};
    char *rest = head, *line;
    bool is_1_1;

    head[len] = '\0';
    if (strlen(head) != len)
        return false;
    line = next_line(&rest);
    if (line == NULL || !read_first(line, &request, &is_1_1))
        return false;
    while ((line = next_line(&rest)) != NULL && line[0] != '\0') {
        if (!read_header(line, &request))
            return false;
    }
    if (request.host == NULL && is_1_1)
        return false;
    *out = request;
    return true;
}

/* The host without its port and, of a name, without the dot at its end. */
static bool cut_port(const char *text, char host[HOST_SIZE])
{
    const char *colon = strrchr(text, ':');
    const char *bracket = strchr(text, ']');
    size_t len = strlen(text);

    if (colon != NULL && (bracket == NULL || colon > bracket)) {
        if (strspn(colon + 1, "0123456789") != strlen(colon + 1))
            return false;
        len = (size_t)(colon - text);
    }
    if (len > 0 && text[len - 1] == '.')
        len--;
    if (len == 0 || len >= HOST_SIZE)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    return true;
}

static bool is_address(const char *host)
{
    struct endpoint ep;

    return endpoint_parse_addr(host, &ep) == OK &&
           (ep.family == FAMILY_IPV4 || host[0] == '[');
}

bool http_host_is_ours(const char *text, const struct http_names *names)
{
    char host[HOST_SIZE];

    if (text == NULL)
        return true;
    if (!cut_port(text, host))
        return false;
    if (is_address(host) || strcasecmp(host, "localhost") == 0)
        return true;
    for (unsigned i = 0; i < names->count; i++) {
        if (strcasecmp(host, names->at[i]) == 0)
            return true;
    }
    return false;
}
