# SPDX-License-Identifier: MIT
#
# The image of docker/Dockerfile with what an experiment needs besides:
# docker/experiment.sh builds it.
FROM localhost/warren-network
USER root
RUN apt-get update && apt-get install -y --no-install-recommends \
        iproute2 python3-msgpack \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && install -d -o warren -g warren /out
COPY docker/collector /opt/experiment
COPY python/warren /opt/experiment/warren
ENV PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["/opt/experiment/enter.sh"]
CMD ["warren", "run"]
