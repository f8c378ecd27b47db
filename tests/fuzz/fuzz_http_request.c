/* SPDX-License-Identifier: MIT
 *
 * The head of an HTTP request: views lie inside of it, a host is one word, and
 * only an address, localhost or a name that was given is ours.
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "base/endpoint.h"
#include "node/monitor/http_request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void check_inside(const char *head, size_t len, const char *view)
{
    assert(view >= head && view + strlen(view) <= head + len);
}

/* By what it begins with, whatever port and dot follow. */
static bool may_be_ours(const char *host)
{
    return strncasecmp(host, "localhost", 9) == 0 ||
           strncasecmp(host, "node.example", 12) == 0 || host[0] == '[' ||
           (host[0] >= '0' && host[0] <= '9');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct http_names names = {1, {"node.example"}}, none = {0};
    char *head = malloc(size + 1);
    struct http_request r;

    assert(head != NULL);
    if (size > 0)
        memcpy(head, data, size);
    if (http_request_read(head, size, &r)) {
        check_inside(head, size, r.method);
        check_inside(head, size, r.target);
        assert(r.method[0] != '\0' && r.target[0] == '/');
        assert(strpbrk(r.target, " ?#") == NULL);
        if (r.host != NULL)
            check_inside(head, size, r.host);
        if (r.host != NULL && http_host_is_ours(r.host, &names))
            assert(may_be_ours(r.host));
        if (http_host_is_ours(r.host, &none))
            assert(http_host_is_ours(r.host, &names));
    }
    free(head);
    return 0;
}
