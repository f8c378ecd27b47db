/* SPDX-License-Identifier: MIT
 *
 * Read here and not by c-ares, which cannot say whether the file has named a
 * server or it was assumed.
 */
#include "node/names/resolv_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS   " \t\r\n"
#define DNS_PORT 53

static void take_server(struct resolv_conf *c, const char *text)
{
    struct endpoint ep;

    if (text == NULL || c->server_count == RESOLV_SERVERS_MAX)
        return;
    if (endpoint_parse_addr(text, &ep) != OK) {
        c->passed_over = true;
        return;
    }
    ep.port = DNS_PORT;
    c->servers[c->server_count++] = ep;
}

/* The last line about them counts. The dot at the end, which they may have, is
 * none of the names that are asked for. */
static void take_domains(struct resolv_conf *c, char **rest)
{
    char *text;

    c->domain_count = 0;
    while (c->domain_count < RESOLV_DOMAINS_MAX &&
           (text = strtok_r(NULL, BLANKS, rest)) != NULL) {
        size_t len = strlen(text);

        while (len > 0 && text[len - 1] == '.')
            text[--len] = '\0';
        if (len > 0 && len < RESOLV_DOMAIN_SIZE)
            memcpy(c->domains[c->domain_count++], text, len + 1);
    }
}

static void take_options(struct resolv_conf *c, char **rest)
{
    const char *text;

    while ((text = strtok_r(NULL, BLANKS, rest)) != NULL) {
        unsigned long value;

        if (strncmp(text, "ndots:", 6) != 0)
            continue;
        value = strtoul(text + 6, NULL, 10);
        c->ndots = value > RESOLV_NDOTS_MAX ? RESOLV_NDOTS_MAX
                                            : (unsigned)value;
    }
}

static void take_line(struct resolv_conf *c, char *line)
{
    char *rest;
    const char *word = strtok_r(line, BLANKS, &rest);

    if (word == NULL)
        return;
    if (strcmp(word, "nameserver") == 0)
        take_server(c, strtok_r(NULL, BLANKS, &rest));
    else if (strcmp(word, "search") == 0 || strcmp(word, "domain") == 0)
        take_domains(c, &rest);
    else if (strcmp(word, "options") == 0)
        take_options(c, &rest);
}

const char *resolv_conf_why_assumed(const struct resolv_conf *c)
{
    return c->passed_over ? "of " RESOLV_CONF_PATH
                            " no name server can be asked (an address with a "
                            "zone, like fe80::1%eth0, cannot), and none "
                            "answers on this machine"
                          : "no name server is named in " RESOLV_CONF_PATH
                            ", and none answers on this machine";
}

void resolv_conf_read(const char *path, struct resolv_conf *out)
{
    FILE *file = fopen(path, "re");
    char line[1024];

    *out = (struct resolv_conf){.ndots = RESOLV_NDOTS_DEFAULT};
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        take_line(out, line);
    if (file != NULL)
        fclose(file);
    out->assumed = out->server_count == 0;
    if (out->assumed)
        take_server(out, "127.0.0.1");
}
