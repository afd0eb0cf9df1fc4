# The worker image: the same one for scheduler, workers and driver, so that all render the same pixels.
#   docker build -t hfdask .
#   docker run --rm -v "$PWD:/work" -w /work hfdask hfdask render examples/title -o out/title.mp4
#   docker run --rm hfdask dask worker tcp://scheduler:8786 --nworkers 2 --nthreads 1
FROM python:3.11-slim-bookworm

RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends \
      chromium-headless-shell fontconfig fonts-liberation fonts-dejavu-core tini util-linux \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/hfdask
COPY pyproject.toml README.md LICENSE ./
COPY hfdask hfdask
RUN pip install --no-cache-dir '.[s3,gcs,dashboard,analysis]'

RUN install -D -m 644 hfdask/cluster/dask.yaml /etc/dask/hfdask.yaml

# The planner's fonts. Workers need none: a plan carries those that its pages use.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends npm \
 && hfdask install-fonts \
 && apt-get purge -y -qq --auto-remove npm && rm -rf /var/lib/apt/lists/* /root/.npm

# Chromium's sandbox needs a user other than root, and user namespaces on the host.
RUN useradd --create-home render
USER render
RUN hfdask doctor

ENTRYPOINT ["tini", "--"]
CMD ["hfdask", "--help"]
