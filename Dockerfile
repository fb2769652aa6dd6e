# An image of the program: docs/install.md shows how to build and run it.
# Checked by hadolint (`make lint`). Not built or run by this project's CI.
FROM python:3.11-slim AS build
WORKDIR /src
COPY LICENSE README.md constraints.txt pyproject.toml ./
COPY jobs jobs
COPY orchestrator orchestrator
# Without pip in it: nothing is installed later.
RUN python -m venv --without-pip /opt/orchestrator \
 && pip --python /opt/orchestrator/bin/python install --no-cache-dir -c constraints.txt .

FROM python:3.11-slim
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="orchestrator" \
      org.opencontainers.image.description="Async batch deployment orchestrator for Yandex Cloud Functions" \
      org.opencontainers.image.licenses="Apache-2.0 AND MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# tini is PID 1: it reaps what builds and checks leave behind. The program as PID 1 would not, and the kernel would
# withhold SIGTERM from it until its own handlers are set. The version of tini is that of the base image's release.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 orchestrator \
 && useradd --uid 10001 --gid 10001 --create-home --no-log-init orchestrator \
 && install --directory --owner=10001 --group=10001 --mode=0700 /state
COPY --from=build /opt/orchestrator /opt/orchestrator
# State (journal, what was learned) outlives the container where a named volume or a folder is mounted at /state.
ENV PATH=/opt/orchestrator/bin:$PATH \
    ORCHESTRATOR_STATE=/state
VOLUME /state
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /work
# The program settles for at most 5 s after SIGTERM, and has ended after 10 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "orchestrator"]
CMD ["--help"]
