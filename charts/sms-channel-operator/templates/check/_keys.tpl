{{/* Generated from values.yaml by `npm run generate`. Do not edit. */}}

{{/* Every key of values.yaml, and those below it; false where there are none. */}}
{{- define "smschannel.keys" -}}
{
 "publicUrl": false,
 "fallbackPublicUrl": false,
 "allowInsecurePublicUrl": false,
 "ingress": {
  "enabled": false,
  "className": false,
  "annotations": false,
  "fallbackHost": false,
  "tls": {
   "enabled": false,
   "secretName": false
  }
 },
 "httpRoute": {
  "enabled": false,
  "parentRefs": false,
  "annotations": false,
  "fallbackHost": false
 },
 "global": {
  "imageRegistry": false,
  "imagePullSecrets": false
 },
 "image": {
  "registry": false,
  "repository": false,
  "tag": false,
  "digest": false,
  "pullPolicy": false
 },
 "imagePullSecrets": false,
 "watchNamespaces": false,
 "crds": {
  "install": false
 },
 "instance": false,
 "takeOverFrom": false,
 "routeShards": false,
 "maxStreamsPerNamespace": false,
 "resyncInterval": false,
 "deleteTimeout": false,
 "urlCheck": {
  "mode": false,
  "address": false
 },
 "uninstall": {
  "webhooks": false,
  "rights": false,
  "timeout": false,
  "resources": {
   "requests": {
    "cpu": false,
    "memory": false
   },
   "limits": {
    "memory": false
   }
  },
  "extraEnv": false,
  "extraArgs": false,
  "extraVolumes": false,
  "extraVolumeMounts": false,
  "annotations": false,
  "podAnnotations": false,
  "podLabels": false,
  "nodeSelector": false,
  "tolerations": false,
  "affinity": false,
  "dnsPolicy": false,
  "dnsConfig": false,
  "serviceAccount": {
   "create": false,
   "name": false,
   "annotations": false
  }
 },
 "logLevel": false,
 "database": {
  "existingSecret": false,
  "ownerUrlKey": false,
  "receiverUrlKey": false,
  "controllerUrlKey": false,
  "ownerSecret": false,
  "receiverSecret": false,
  "controllerSecret": false,
  "createRoles": false
 },
 "evaluationDatabase": {
  "enabled": false,
  "image": {
   "registry": false,
   "repository": false,
   "tag": false,
   "digest": false,
   "pullPolicy": false
  },
  "userId": false,
  "storage": {
   "size": false,
   "className": false
  },
  "resources": {
   "requests": {
    "cpu": false,
    "memory": false
   },
   "limits": {
    "memory": false
   }
  }
 },
 "migrations": {
  "enabled": false,
  "databaseWait": false,
  "backoffLimit": false,
  "resources": {
   "requests": {
    "cpu": false,
    "memory": false
   },
   "limits": {
    "memory": false
   }
  },
  "extraEnv": false,
  "extraArgs": false,
  "extraVolumes": false,
  "extraVolumeMounts": false,
  "annotations": false,
  "podAnnotations": false,
  "podLabels": false,
  "nodeSelector": false,
  "tolerations": false,
  "affinity": false,
  "dnsPolicy": false,
  "dnsConfig": false,
  "serviceAccount": {
   "create": false,
   "name": false,
   "annotations": false
  }
 },
 "twilio": {
  "baseUrl": false
 },
 "proxy": {
  "https": false,
  "http": false,
  "exclude": false
 },
 "trustedCertificates": {
  "configMap": false,
  "secret": false,
  "key": false,
  "pem": false
 },
 "controller": {
  "replicas": false,
  "resources": {
   "requests": {
    "cpu": false,
    "memory": false
   },
   "limits": {
    "memory": false
   }
  },
  "podDisruptionBudget": {
   "enabled": false
  },
  "lease": {
   "create": false
  },
  "extraEnv": false,
  "extraArgs": false,
  "extraVolumes": false,
  "extraVolumeMounts": false,
  "annotations": false,
  "podAnnotations": false,
  "podLabels": false,
  "nodeSelector": false,
  "tolerations": false,
  "affinity": false,
  "topologySpreadConstraints": false,
  "dnsPolicy": false,
  "dnsConfig": false,
  "strategy": {
   "type": false,
   "rollingUpdate": {
    "maxUnavailable": false,
    "maxSurge": false
   }
  },
  "serviceAccount": {
   "create": false,
   "name": false,
   "annotations": false
  }
 },
 "receiver": {
  "replicas": false,
  "shutdownDelaySeconds": false,
  "resources": {
   "requests": {
    "cpu": false,
    "memory": false
   },
   "limits": {
    "memory": false
   }
  },
  "podDisruptionBudget": {
   "enabled": false
  },
  "autoscaling": {
   "enabled": false,
   "minReplicas": false,
   "maxReplicas": false,
   "targetCpuPercent": false,
   "behavior": false
  },
  "extraEnv": false,
  "extraArgs": false,
  "extraVolumes": false,
  "extraVolumeMounts": false,
  "annotations": false,
  "podAnnotations": false,
  "podLabels": false,
  "nodeSelector": false,
  "tolerations": false,
  "affinity": false,
  "topologySpreadConstraints": false,
  "dnsPolicy": false,
  "dnsConfig": false,
  "strategy": {
   "type": false,
   "rollingUpdate": {
    "maxUnavailable": false,
    "maxSurge": false
   }
  },
  "service": {
   "type": false,
   "port": false,
   "nodePort": false,
   "annotations": false,
   "loadBalancerClass": false,
   "loadBalancerSourceRanges": false,
   "externalTrafficPolicy": false,
   "ipFamilyPolicy": false,
   "ipFamilies": false
  },
  "serviceAccount": {
   "create": false,
   "name": false,
   "annotations": false
  }
 },
 "commonLabels": false,
 "commonAnnotations": false,
 "nodeSelector": false,
 "tolerations": false,
 "priorityClassName": false,
 "podSecurityContext": {
  "runAsNonRoot": false,
  "seccompProfile": {
   "type": false
  }
 },
 "containerSecurityContext": {
  "allowPrivilegeEscalation": false,
  "readOnlyRootFilesystem": false,
  "capabilities": {
   "drop": false
  }
 },
 "rbac": {
  "create": false,
  "clusterWideKinds": false,
  "aggregateToDefaultRoles": false
 },
 "networkPolicy": {
  "enabled": false,
  "receiverFrom": false,
  "metricsFrom": false,
  "egress": {
   "enabled": false,
   "dnsPorts": false,
   "kubernetesTo": false,
   "kubernetesPorts": false,
   "databaseTo": false,
   "databasePorts": false,
   "httpsTo": false,
   "httpsPorts": false
  }
 },
 "monitoring": {
  "monitor": false,
  "interval": false,
  "labels": false,
  "rules": {
   "enabled": false,
   "runbookUrl": false,
   "labels": false
  },
  "dashboard": {
   "enabled": false,
   "labels": {
    "grafana_dashboard": false
   },
   "annotations": false
  }
 },
 "tests": {
  "enabled": false,
  "resources": {
   "requests": {
    "cpu": false,
    "memory": false
   },
   "limits": {
    "memory": false
   }
  },
  "extraEnv": false,
  "extraArgs": false,
  "extraVolumes": false,
  "extraVolumeMounts": false,
  "podAnnotations": false,
  "podLabels": false,
  "nodeSelector": false,
  "tolerations": false,
  "affinity": false,
  "dnsPolicy": false,
  "dnsConfig": false,
  "serviceAccount": {
   "create": false,
   "name": false,
   "annotations": false
  }
 },
 "extraObjects": false,
 "nameOverride": false,
 "fullnameOverride": false
}
{{- end }}

{{/* Keys that must not be an empty text or list. */}}
{{- define "smschannel.filledKeys" -}}
[
 "image.repository",
 "image.pullPolicy",
 "urlCheck.mode",
 "uninstall.webhooks",
 "uninstall.rights",
 "logLevel",
 "evaluationDatabase.image.repository",
 "evaluationDatabase.image.pullPolicy",
 "evaluationDatabase.storage.size",
 "trustedCertificates.key",
 "receiver.service.type",
 "networkPolicy.egress.dnsPorts",
 "networkPolicy.egress.kubernetesPorts",
 "networkPolicy.egress.databasePorts",
 "networkPolicy.egress.httpsPorts",
 "monitoring.monitor"
]
{{- end }}
